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
export function readBundle(text: string): PolicyFolder {
  const parsed = bundle.safeParse(jsonOf(text));
  if (!parsed.success) throw invalid('the bundle is malformed, or of another version');
  const { policies, schemas, revision } = parsed.data;
  const contents = { documents: policies.map(({ document }) => document), schemas: new Map(Object.entries(schemas)) };
  if (revisionOf(contents) !== revision)
    throw invalid('the bundle is damaged: it does not hold what its revision says');
  return { policies: policies.map(loaded), schemas: contents.schemas, revision };
}

function loaded({ file, document }: { readonly file: string; readonly document?: unknown }): Loaded {
  const place = { file, lineOf: () => 1 };
  const parsed = policyDocument.safeParse(document);
  if (parsed.success) return { document, policy: parsed.data, place };
  const [issue] = parsed.error.issues;
  throw refusal(place, issue?.path ?? [], issue?.message ?? 'is malformed');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('the bundle is no JSON');
  }
}

function invalid(message: string): PortcullisError {
  return new PortcullisError('policies_invalid', message);
}
