import { createHash, randomUUID } from 'node:crypto';
import { PortcullisError } from '@portcullis/core';
import type { Answer } from '../answer.js';
import type { Caller } from '../caller.js';
import { StillRunning } from '../still-running.js';
import { openAnswer, sealAnswer } from './sealed-answer.js';
import type { IdempotencyKey, IdempotencyStore } from './store.js';

/** How retries are told from new requests. */
export interface OnceOptions {
  readonly store: IdempotencyStore;
  /** How long an answer is kept, in milliseconds. */
  readonly ttlMs: number;
  /**
   * How long a request is taken to be running that says nothing, in milliseconds: longer than any request runs. A
   * refusal is kept as long: nothing was done, and it would be cheap to fill the store with.
   */
  readonly leaseMs: number;
  readonly onError: (error: Error) => void;
}

/** A request with an idempotency key. */
export interface OnceRequest {
  readonly key: string;
  readonly caller: Caller;
  readonly method: string;
  /** The path and the query. */
  readonly target: string;
  readonly body: string;
}

/**
 * Runs a request once for each key of a caller, and gives the same answer to all that repeat it.
 *
 * Keys are the caller's own: another caller's same key is another key. What `run` rejects with frees the key, but for
 * `StillRunning`: then nobody knows what became of the request, and the key stays taken until the lease is over.
 *
 * @throws PortcullisError `idempotency_mismatch` for another request with the key; `conflict` with `data.retryAfterMs`
 * while the first one runs; `store_unavailable`; what `run` rejects with
 */
export async function once(
  options: OnceOptions,
  request: OnceRequest,
  run: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly replayed: boolean }> {
  const { store, ttlMs, leaseMs } = options;
  const caller = callerKey(request.caller);
  const key = keyOf(request.caller, request.key);
  const fingerprint = digest(caller, request.method, request.target, request.body);
  const claim = randomUUID();
  const known = await store.begin(key, claim, fingerprint, leaseMs);
  if (known.state !== 'claimed') {
    if (known.fingerprint !== fingerprint) throw new PortcullisError('idempotency_mismatch');
    if (known.state === 'running')
      throw new PortcullisError('conflict', 'a request with this idempotency key is running', {
        data: { retryAfterMs: 1000 },
      });
    return { answer: openAnswer(known.answer, request.key, caller), replayed: true };
  }
  let answer: Answer;
  try {
    answer = await run();
  } catch (error) {
    if (!(error instanceof StillRunning)) await settle(options, () => store.abandon(key, claim));
    throw error;
  }
  const keepMs = answer.status >= 400 ? Math.min(leaseMs, ttlMs) : ttlMs;
  await settle(options, () => store.finish(key, claim, sealAnswer(answer, request.key, caller), keepMs));
  return { answer, replayed: false };
}

/** Reads the header. @throws PortcullisError `request_invalid` @see draft-ietf-httpapi-idempotency-key-header */
export function idempotencyKeyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new PortcullisError('request_invalid', 'idempotency-key: 1 to 255 visible ASCII characters');
}

/**
 * The request was carried out, or was not: what is kept for its retries cannot change its answer any more. If it is not
 * kept, the claim stays until its lease is over, and the retry meets the record that the request made.
 */
async function settle({ onError }: OnceOptions, keep: () => Promise<void>): Promise<void> {
  try {
    await keep();
  } catch (error) {
    onError(error instanceof Error ? error : new Error('an answer cannot be kept for retries'));
  }
}

/** The person and the client, in a tenant or in none; a grant that is acted by is another caller. */
function callerKey(caller: Caller): string {
  const { key, clientId } = caller.identity;
  const context = caller.kind === 'member' ? caller.context : undefined;
  const tenant = context?.tenant.id ?? null;
  return JSON.stringify([caller.kind, key, clientId ?? null, tenant, context?.impersonation?.grant ?? null]);
}

/** The key is the caller's; it counts as the person's, who may have any number of clients, and as the tenant's. */
function keyOf(caller: Caller, key: string): IdempotencyKey {
  const person = digest('person', caller.identity.key);
  return {
    id: digest(callerKey(caller), key),
    scope: caller.kind === 'member' ? digest('tenant', caller.context.tenant.id) : person,
    person,
  };
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
}
