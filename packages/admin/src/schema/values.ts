import { z } from '@hono/zod-openapi';

/** A point in time: RFC 3339, UTC, to the millisecond. */
export const timeSchema = z.iso.datetime({ precision: 3 }).openapi({ example: '2026-01-31T12:00:00.000Z' });

/** A time for people and programs to read. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

/** The id of a tenant. */
export const tenantIdSchema = z
  .string()
  .regex(/^[0-9A-Za-z][\w-]{0,63}$/, 'is not a well-formed tenant id')
  .openapi({ example: 'acme' });

/** `provider#subject`: the key of an identity. */
export const userIdSchema = z.string().min(1).max(1000).openapi({ example: 'auth0#auth0|alice' });

/**
 * The key of an identity that is to be a member. No identity has another one, and some of those are no segment of a path:
 * `/users/..` is `/`, in whatever way it is written.
 */
export const newUserIdSchema = userIdSchema.regex(
  /^[^#]+#[\s\S]/,
  'is not the name of an identity provider, `#` and a subject',
);

/** The id of a role: built-in or the tenant's own. */
export const roleIdSchema = z
  .string()
  .regex(/^[\w-]{1,100}$/, 'a role is 1 to 100 letters, digits, "-" or "_"')
  .openapi({ example: 'member' });

/** A text for people. */
export const nameSchema = z.string().min(1).max(200);

/** How many. */
export const countSchema = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** The version of a record. */
export const versionSchema = z.number().int().min(0);

/** Where in a list to go on. */
export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .optional()
    .openapi({ description: 'The most in one page; 100 without.' }),
  cursor: z
    .string()
    .min(1)
    // As the store reads them: the key of a member takes up to 8000 characters in one.
    .max(12_000)
    .optional()
    .openapi({ description: '`nextCursor` of the page before; a cursor of another list is refused.' }),
};

/** Where the next page begins. */
export const nextCursorSchema = z
  .string()
  .optional()
  .openapi({ description: 'Where the next page begins; absent at the end. The `Link` header says the same.' });

/** For requests that only say what would be done. */
export const dryRunSchema = z
  .enum(['true', 'false'])
  .optional()
  .openapi({ description: '`true`: only says what would be done, and changes nothing.' });

/** A query without parameters. */
export const noQuery = z.strictObject({});

/** The path of a tenant. */
export const tenantParams = z.strictObject({ tenant: tenantIdSchema });
