import { z } from 'zod';
import { tokenInvalid, type AttributeValue } from '@portcullis/core';

/** All claims of a token, as they were signed. */
export type Claims = Readonly<Record<string, AttributeValue>>;

/** A string claim that must say something. */
export const text = z.string().min(1).max(2000);

/** A list of strings. */
export const texts = z.array(z.string().min(1).max(2000)).max(5000);

/** Scopes as OAuth writes them: one string, separated by spaces. @see RFC 8693, section 4.2; RFC 9068, section 2.2.3 */
export const spaceSeparated = z
  .string()
  .max(20_000)
  .transform((value) => value.split(' ').filter((scope) => scope !== ''));

/**
 * Parses claims; a claim of the wrong type is a refusal that names it, and never a cast.
 *
 * @throws PortcullisError `token_invalid` (`claim`)
 */
export function parseClaims<T>(schema: z.ZodType<T>, claims: Claims): T {
  const parsed = schema.safeParse(claims);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const claim = issue?.path[0] === undefined ? undefined : String(issue.path[0]);
  const missing = claim !== undefined && !Object.hasOwn(claims, claim);
  throw tokenInvalid(
    'claim',
    claim === undefined ? 'the claims are malformed' : `claim \`${claim}\` is ${missing ? 'missing' : 'malformed'}`,
    {
      ...(claim === undefined ? {} : { claim }),
    },
  );
}

/**
 * A string claim of a configured name.
 *
 * @throws PortcullisError `token_invalid` (`claim`) when it is there and is not a string
 */
export function optionalText(claims: Claims, claim: string | undefined): string | undefined {
  if (claim === undefined) return undefined;
  return parseClaims(z.looseObject({ [claim]: text.optional() }), claims)[claim];
}

/** A claim of a configured name that holds one string or a list of them. */
export function optionalTexts(claims: Claims, claim: string | undefined): readonly string[] {
  if (claim === undefined) return [];
  return (
    (parseClaims(z.looseObject({ [claim]: texts.optional() }), claims)[claim] as readonly string[] | undefined) ?? []
  );
}

const actor: z.ZodType<{ sub: string; iss?: string | undefined; act?: unknown }> = z.looseObject({
  sub: text,
  iss: text.optional(),
  act: z.unknown().optional(),
});

/**
 * The delegation chain of an `act` claim, the present actor first.
 *
 * @throws PortcullisError `token_invalid` (`claim`) when it is malformed or nested deeper than 8 actors
 * @see RFC 8693, section 4.1
 */
export function actorsOf(claims: Claims): readonly { readonly subject: string; readonly issuer?: string }[] {
  const chain: { subject: string; issuer?: string }[] = [];
  let next: unknown = claims['act'];
  while (next !== undefined) {
    const parsed = actor.safeParse(next);
    if (!parsed.success || chain.length === 8)
      throw tokenInvalid('claim', 'claim `act` is malformed', { claim: 'act' });
    chain.push({ subject: parsed.data.sub, ...(parsed.data.iss === undefined ? {} : { issuer: parsed.data.iss }) });
    next = parsed.data.act;
  }
  return chain;
}
