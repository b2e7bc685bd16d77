import type { z } from '@hono/zod-openapi';
import {
  parseStrictJson,
  PortcullisError,
  readBoundedText,
  TooLargeError,
  type AttributeValue,
} from '@portcullis/core';

/** Parses a part of a request. @throws PortcullisError `request_invalid`, which names the member */
export function parsed<T>(schema: z.ZodType<T>, value: unknown, part: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  const field = path === '' ? part : `${part}.${path}`.slice(0, 200);
  throw new PortcullisError('request_invalid', `${field}: ${oneLine(issue?.message ?? 'is malformed')}`, {
    data: { field },
  });
}

/** The parameters of a query, each of them once. @throws PortcullisError `request_invalid` */
export function queryOf(url: URL): Readonly<Record<string, string>> {
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of url.searchParams) {
    if (Object.hasOwn(query, name))
      throw new PortcullisError('request_invalid', `query: \`${name.slice(0, 80)}\` is there twice`);
    query[name] = value;
  }
  return query;
}

/**
 * Reads the JSON body of a request, strictly: its media type, its size, no member name twice.
 *
 * @param types - the media types that the endpoint takes; none where it takes no body
 * @returns the value and its text; `undefined` where the endpoint takes none, or takes one and needs none
 * @throws PortcullisError `media_type_unsupported`, `request_too_large`, `json_invalid`, `request_invalid`
 */
export async function readBody(
  request: Request,
  types: readonly string[],
  maxBytes: number,
): Promise<{ readonly value: AttributeValue; readonly text: string } | undefined> {
  const text = await readText(request, maxBytes);
  if (types.length === 0) {
    if (text === '') return undefined;
    throw new PortcullisError('request_invalid', 'this request takes no body');
  }
  requireType(request.headers.get('content-type'), types);
  let value: AttributeValue;
  try {
    value = JSON.parse(text) as AttributeValue;
  } catch (cause) {
    throw new PortcullisError('json_invalid', undefined, { cause });
  }
  try {
    value = parseStrictJson(text, { maxDepth: 16 });
  } catch (cause) {
    throw new PortcullisError('request_invalid', cause instanceof SyntaxError ? oneLine(cause.message) : undefined, {
      cause,
    });
  }
  return { value, text };
}

/** The media types of a body: for a `PATCH`, both names of what is a merge patch. @see RFC 7396 */
export function mediaTypes({ method }: { readonly method: string }): readonly string[] {
  return method === 'patch' ? ['application/merge-patch+json', 'application/json'] : ['application/json'];
}

/** JSON is UTF-8 and has no other parameters. @see RFC 8259, section 8.1 */
function requireType(header: string | null, types: readonly string[]): void {
  const [type = '', ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase());
  const plain = parameters.every((parameter) => parameter === 'charset=utf-8' || parameter === 'charset="utf-8"');
  if (types.includes(type) && plain) return;
  throw new PortcullisError('media_type_unsupported', `the body has to be ${types.join(' or ')}`);
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  try {
    return await readBoundedText(request, maxBytes);
  } catch (cause) {
    if (cause instanceof TooLargeError) throw new PortcullisError('request_too_large', undefined, { cause });
    throw new PortcullisError('request_invalid', 'the body cannot be read', { cause });
  }
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300);
}
