import { PortcullisError } from '@portcullis/core';
import { z } from 'zod';
import { revisionOf } from '../../policies/revision.js';
import { policyDocument } from './document.js';
import type { Loaded, PolicyFolder } from './folder.js';
import { refusal } from './place.js';

const format = 'portcullis-policies/1';

const bundle = z.strictObject({
  format: z.literal(format),
  revision: z.string(),
  policies: z.array(z.strictObject({ file: z.string(), document: z.unknown() })),
  schemas: z.record(z.string(), z.unknown()),
});

/** Writes the policies of a folder as one text. The same policies in the same files give the same text. */
export function toBundle({ policies, schemas, revision }: PolicyFolder): string {
  const content: z.infer<typeof bundle> = {
    format,
    revision,
    policies: policies.map(({ place: { file }, document }) => ({ file, document })),
    schemas: Object.fromEntries(schemas),
  };
  return `${JSON.stringify(content)}\n`;
}

/**
 * Reads what {@link toBundle} wrote.
 *
 * @throws PortcullisError `policies_invalid` for anything else, and where the contents are not those of the revision
 */
export function readBundle(written: string | Uint8Array): PolicyFolder {
  const parsed = bundle.safeParse(jsonOf(written));
  if (!parsed.success) throw invalid('the bundle is malformed, or of another version');
  const { policies, schemas, revision } = parsed.data;
  const contents = { documents: policies.map(({ document }) => document), schemas: new Map(Object.entries(schemas)) };
  if (revisionOf(contents) !== revision)
    throw invalid('the bundle is damaged: it does not hold what its revision says');
  return { policies: policies.map(loaded), schemas: contents.schemas, revision };
}

function loaded({ file, document }: { readonly file: string; readonly document?: unknown }): Loaded {
  const place = { file, lineOf: () => 1 };
  if (hasPrototypeKey(document)) throw refusal(place, [], 'the key `__proto__` is not supported');
  const parsed = policyDocument.safeParse(document);
  // One that is disabled is not put into a bundle, and the lint would not look at it.
  if (parsed.data?.disabled === true) throw refusal(place, [], 'is disabled, and in a bundle nevertheless');
  if (parsed.success) return { document, policy: parsed.data, place };
  const [issue] = parsed.error.issues;
  throw refusal(place, issue?.path ?? [], issue?.message ?? 'is malformed');
}

/** What reads a document would drop such a member without a word. */
function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeKey);
}

function jsonOf(written: string | Uint8Array): unknown {
  try {
    return JSON.parse(
      typeof written === 'string' ? written : new TextDecoder('utf-8', { fatal: true }).decode(written),
    );
  } catch {
    throw invalid('the bundle is no JSON');
  }
}

function invalid(message: string): PortcullisError {
  return new PortcullisError('policies_invalid', message);
}
