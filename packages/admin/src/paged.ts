import type { Answer } from './answer.js';

/**
 * A page of a list, with a `Link` to the next one.
 *
 * @param path - the list's own, with its base path
 * @param query - the parameters of the request
 * @see RFC 8288
 */
export function paged(
  view: object,
  path: string,
  query: Readonly<Record<string, unknown>>,
  cursor: string | undefined,
): Answer {
  if (cursor === undefined) return { status: 200, body: view };
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (typeof value === 'string' || typeof value === 'number') parameters.set(name, String(value));
  parameters.set('cursor', cursor);
  return {
    status: 200,
    body: { ...view, nextCursor: cursor },
    headers: { link: `<${path}?${parameters.toString()}>; rel="next"` },
  };
}
