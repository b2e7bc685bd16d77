import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';

/** The number of entries in a page. @throws PortcullisError `request_invalid` */
export function pageLimit(limit = 100): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new PortcullisError('request_invalid', 'limit: must be an integer from 1 to 1000', {
    data: { field: 'limit' },
  });
}

/** Where a page ended: what the list is ordered by, and the id that decides between equals. */
export interface Position {
  readonly key: string;
  readonly id: string;
}

const cursorSchema = z.tuple([z.string(), z.string().max(4000), z.string().max(4000)]);

/**
 * Writes a position as an opaque text.
 *
 * @param list - what tells this list, with its filter and its order, from every other
 */
export function cursorAt(list: readonly unknown[], { key, id }: Position): string {
  return Buffer.from(JSON.stringify([markOf(list), key, id])).toString('base64url');
}

/** Reads a cursor. @throws PortcullisError `request_invalid` when it is none, or one of another list */
export function positionAt(list: readonly unknown[], cursor: string | undefined): Position | undefined {
  if (cursor === undefined) return undefined;
  const parsed = cursorSchema.safeParse(contentOf(cursor));
  if (!parsed.success || parsed.data[0] !== markOf(list))
    throw new PortcullisError('request_invalid', 'cursor: is not one of this list', { data: { field: 'cursor' } });
  const [, key, id] = parsed.data;
  return { key, id };
}

function contentOf(cursor: unknown): unknown {
  if (typeof cursor !== 'string' || cursor.length > 12_000) return undefined;
  const text = Buffer.from(cursor, 'base64url');
  // Only the one spelling that was given out: the decoder drops what it does not know.
  if (text.toString('base64url') !== cursor) return undefined;
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** No secret: it keeps a cursor from being used for another question by mistake. */
function markOf(list: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify(list.map((part) => part ?? null)))
    .digest('base64url')
    .slice(0, 16);
}
