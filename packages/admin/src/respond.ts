import type { Answer } from './answer.js';
import { isUnchanged } from './conditional.js';

/** Makes the HTTP response of an answer. Nothing of it is kept by caches. */
export function respond(answer: Answer, requestId: string, request: Request): Response {
  const headers = new Headers(answer.headers);
  headers.set('cache-control', 'no-store');
  headers.set('x-content-type-options', 'nosniff');
  headers.set('x-request-id', requestId);
  if (answer.etag !== undefined) headers.set('etag', answer.etag);
  if (request.method === 'GET' || request.method === 'HEAD') {
    if (isUnchanged(request.headers.get('if-none-match') ?? undefined, answer.etag))
      return new Response(null, { status: 304, headers });
  }
  if (answer.text !== undefined) headers.set('content-type', answer.text.type);
  else if (answer.body !== undefined) headers.set('content-type', 'application/json');
  const content = answer.text?.content ?? (answer.body === undefined ? null : JSON.stringify(answer.body));
  return new Response(content, { status: answer.status, headers });
}
