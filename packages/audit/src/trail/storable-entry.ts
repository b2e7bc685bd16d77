import { canonicalJson } from '../canonical.js';
import type { AuditEntry } from '../entry.js';
import { redact } from '../redact.js';

/**
 * An entry as a trail keeps it: canonical JSON, without secrets, and without what a database or another reader of
 * JSON cannot take: NUL and halves of characters.
 */
export function storableEntry(entry: AuditEntry): string {
  const text = JSON.stringify(redact(entry));
  const value: unknown = JSON.parse(text);
  // Both are escaped in the text, so that most entries need no second look.
  return canonicalJson(/\\u(?:0000|d)/i.test(text) ? storable(value) : value);
}

function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storableText(name), storable(member)]));
}

const unstorable = /\0|\p{Surrogate}/u;

function storableText(text: string): string {
  return unstorable.test(text) ? text.replaceAll(/\0|\p{Surrogate}/gu, '\uFFFD') : text;
}
