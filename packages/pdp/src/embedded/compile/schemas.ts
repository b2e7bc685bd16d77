import type { ResourcePolicy } from '../load/document.js';
import { refusal, type Place } from '../load/place.js';
import { globMatcher } from './glob.js';
import type { JsonSchemas } from '../schema/json-schemas.js';
import { UnsupportedSchema } from '../schema/parts.js';
import type { SchemaCheck } from '../schema/checks.js';
import type { AttributeSchema, PolicySchemas } from './table.js';

/**
 * The schemas of a policy, ready to validate.
 *
 * @throws PortcullisError `policies_invalid`
 */
export function policySchemas(
  place: Place,
  schemas: ResourcePolicy['schemas'],
  known: JsonSchemas,
): PolicySchemas | undefined {
  if (schemas === undefined) return undefined;
  const one = (member: 'principalSchema' | 'resourceSchema'): AttributeSchema | undefined => {
    const reference = schemas[member];
    if (reference === undefined) return undefined;
    const file = reference.ref.slice('cerbos:///'.length);
    if (!known.has(file))
      throw refusal(place, ['resourcePolicy', 'schemas', member, 'ref'], `there is no schema \`${file}\``);
    return {
      accepts: compiled(file, known),
      document: known.document(file),
      ignoredActions: (reference.ignoreWhen?.actions ?? []).map(globMatcher),
    };
  };
  return { principal: one('principalSchema'), resource: one('resourceSchema') };
}

function compiled(file: string, known: JsonSchemas): SchemaCheck {
  try {
    return known.compile(file);
  } catch (error) {
    if (!(error instanceof UnsupportedSchema)) throw error;
    throw refusal({ file: `_schemas/${error.file}`, lineOf: () => 1 }, error.path, error.message);
  }
}
