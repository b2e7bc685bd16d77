import { randomUUID } from 'node:crypto';
import { parseStrictJson, readBoundedText, type AttributeValue } from '@portcullis/core';
import { refused, unavailable } from '../unavailable.js';
import { requestIdPattern } from './wire.js';

/** Sends one request: the global `fetch`, or a stand-in such as a handler of `serveAuthzen`. */
export type Fetch = (request: Request) => Promise<Response>;

/** How requests are sent. */
export interface TransportOptions {
  readonly fetch: Fetch;
  /** The largest answer that is read, in bytes. */
  readonly maxResponseBytes: number;
}

/** One exchange with the PDP. */
export interface Exchange {
  readonly url: string;
  /** The question; without one it is a GET. */
  readonly body?: unknown;
  readonly headers: Headers;
  readonly requestId: string;
  readonly signal: AbortSignal;
}

/** The answer is "there is nothing here": the endpoints may have moved. */
export class NotThereError extends Error {
  override readonly name = 'NotThereError';
}

/**
 * Sends one request, and reads the answer if it is one: status 200, JSON, of this request, not from elsewhere.
 *
 * @throws PortcullisError `pdp_unavailable`
 * @see AuthZEN Authorization API 1.0, "Transport"
 */
export async function exchange(
  { url, body, headers, requestId, signal }: Exchange,
  { fetch, maxResponseBytes }: TransportOptions,
): Promise<AttributeValue> {
  // Nobody waits for the answer any more: a token that came too late, or a batch behind one that did, is not sent.
  signal.throwIfAborted();
  headers.set('accept', 'application/json');
  headers.set('x-request-id', requestId);
  const sent = body === undefined ? { method: 'GET' } : { method: 'POST', body: JSON.stringify(body) };
  if (body !== undefined) headers.set('content-type', 'application/json');
  // A redirect would take the question, and the credentials with it, to a place that nobody configured.
  const request = new Request(url, { ...sent, headers, redirect: 'error', signal });
  const response = await fetch(request);
  if (response.redirected) throw unavailable('the PDP answered with a redirect');
  if (response.status !== 200) {
    await response.body?.cancel();
    const detail = `the PDP answered with HTTP status ${String(response.status)}`;
    if (response.status === 400) throw refused(detail);
    throw unavailable(detail, response.status === 404 ? new NotThereError('404') : undefined);
  }
  const echoed = response.headers.get('x-request-id');
  if (echoed !== null && echoed !== requestId) throw unavailable('the answer is to another request');
  if (!/^application\/json\s*(;|$)/i.test(response.headers.get('content-type') ?? ''))
    throw unavailable('the answer is not JSON');
  const text = await readBoundedText(response, maxResponseBytes);
  return readJson(text);
}

function readJson(text: string): AttributeValue {
  try {
    return parseStrictJson(text);
  } catch (cause) {
    throw unavailable('the answer is not JSON', cause);
  }
}

/** The id of the caller's request where it can be a header, else one of our own. */
export function requestIdOf(requestId: string | undefined): string {
  return requestId !== undefined && requestIdPattern.test(requestId) ? requestId : randomUUID();
}
