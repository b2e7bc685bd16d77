import type { PolicyFolder } from '../load/folder.js';
import { refusal } from '../load/place.js';
import { conditionAt, policyNames, type Exports } from './expressions.js';
import { distinctRoles } from './rules.js';
import type { DerivedRoleIn } from './table.js';

/** A derived role: who may have it, and when. */
export interface DerivedRole {
  /** The name of the set that policies import. */
  readonly set: string;
  readonly parentRoles: readonly string[];
  readonly when: DerivedRoleIn;
}

/**
 * All derived roles by name. A name may be defined once: Cerbos keeps what it knows of a derived role during a question
 * by its name alone.
 *
 * @throws PortcullisError `policies_invalid`
 */
export function derivedRoleNames({ policies }: PolicyFolder, exports: Exports): ReadonlyMap<string, DerivedRole> {
  const roles = new Map<string, DerivedRole>();
  for (const { policy, place } of policies) {
    if (policy.derivedRoles === undefined) continue;
    const { name: set, definitions, variables, constants } = policy.derivedRoles;
    const names = policyNames(place, ['derivedRoles'], exports, { variables, constants });
    for (const [position, { name, parentRoles, condition }] of definitions.entries()) {
      const path = ['derivedRoles', 'definitions', position];
      if (roles.has(name)) throw refusal(place, path, `the derived role \`${name}\` is defined twice`);
      roles.set(name, {
        set,
        parentRoles: distinctRoles(parentRoles),
        when: { name, condition: conditionAt(names, path, condition), parameters: names.parameters },
      });
    }
  }
  return roles;
}
