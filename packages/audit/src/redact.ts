import { z } from 'zod';
import type { AttributeValue } from '@portcullis/core';

/** What a secret is replaced with. */
export const redacted = '[redacted]';

// As people write them: `client_secret`, `clientSecret`, `x-api-key`, `idToken`. Not `tokens`, which is a number of them.
const secretName =
  /(?:secret|password|passwd|passphrase|token|api[-_]?key|(?:private|access|signing|encryption)[-_]?key|credentials?|cookie|authorization)$|^requestState$/i;
const jwt = /\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,3}/g;
const bearer = /\b(bearer|basic)\s+[A-Za-z0-9\-._~+/]{6,}=*/gi;
const pem = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g;

/**
 * Takes secrets out of a value: members with a secret's name, and whatever looks like a token inside any text.
 *
 * @param maxText - how much of one text is kept, in characters
 */
export function redact(value: unknown, maxText = 2000): unknown {
  return visit(value, 0);

  function visit(item: unknown, depth: number): unknown {
    if (typeof item === 'string') return redactText(item.length > maxText ? `${item.slice(0, maxText)}…` : item);
    if (depth > 16) return redacted;
    if (Array.isArray(item)) return item.map((member) => visit(member, depth + 1));
    if (typeof item === 'object' && item !== null) {
      const members = Object.entries(item);
      for (const member of members) {
        const { shown, isSecret } = nameOf(member[0]);
        member[0] = shown;
        member[1] = isSecret ? redacted : visit(member[1], depth + 1);
      }
      return Object.fromEntries(members);
    }
    return typeof item === 'bigint' ? String(item) : item;
  }
}

interface Name {
  readonly shown: string;
  readonly isSecret: boolean;
}

/**
 * Names are looked at once: records have the same ones again and again. What callers make up has its bound, and a name
 * with a secret in it is not kept.
 */
const names = new Map<string, Name>();
const maxNames = 1000;

function nameOf(name: string): Name {
  const known = names.get(name);
  if (known !== undefined) return known;
  const found = { shown: redactText(name), isSecret: secretName.test(name) };
  if (found.shown === name && names.size < maxNames && name.length <= 100) names.set(name, found);
  return found;
}

/** The same for a JSON value, which it leaves one. */
export function redactJson(value: AttributeValue): AttributeValue {
  return attributeValue.parse(redact(value));
}

const attributeValue: z.ZodType<AttributeValue> = z.lazy(() =>
  z.union([
    z.string(),
    z.number(),
    z.boolean(),
    z.null(),
    z.array(attributeValue),
    z.record(z.string(), attributeValue),
  ]),
);

/** What every secret that is looked for has in it, and how long it is at least: `basic ` and six characters. */
const suspicious = /eyJ|bearer|basic|PRIVATE KEY/i;
const shortest = 12;

function redactText(text: string): string {
  if (text.length < shortest || !suspicious.test(text)) return text;
  return text.replace(jwt, redacted).replace(bearer, `$1 ${redacted}`).replace(pem, redacted);
}
