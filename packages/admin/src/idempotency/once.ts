import { createHash, randomUUID } from 'node:crypto';
import { PortcullisError } from '@portcullis/core';
import type { Answer } from '../answer.js';
import type { Caller } from '../caller.js';
import { inTime } from '../in-time.js';
import { openAnswer, sealAnswer } from './sealed-answer.js';
import type { IdempotencyKey, IdempotencyStore } from './store.js';

/** How retries are told from new requests. */
export interface OnceOptions {
  readonly store: IdempotencyStore;
  /** How long an answer is kept, in milliseconds. */
  readonly ttlMs: number;
  /**
   * How long a request is taken to be running that says nothing, in milliseconds; one that runs says so three times as
   * often. A refusal is kept as long: nothing was done, and it would be cheap to fill the store with.
   */
  readonly leaseMs: number;
  /** How long a caller waits, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends the saying, for the process ends. */
  readonly closing: AbortSignal;
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

/** A key that a request holds. */
interface Held {
  readonly key: IdempotencyKey;
  readonly claim: string;
  readonly seal: (answer: Answer) => string;
}

/**
 * Runs a request once for each key of a caller, and gives the same answer to all that repeat it.
 *
 * Keys are the caller's own: another caller's same key is another key. What `run` rejects with frees the key. Who waits
 * too long is told that nobody knows; the key is then held until the request is over, and its answer is kept like any
 * other, for the retry.
 *
 * @throws PortcullisError `idempotency_mismatch` for another request with the key; `conflict` with `data.retryAfterMs`
 * while the first one runs; `store_unavailable`, also as `StillRunning`; what `run` rejects with
 */
export async function once(
  options: OnceOptions,
  request: OnceRequest,
  run: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly replayed: boolean }> {
  const { store, leaseMs, timeoutMs } = options;
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
  const held: Held = { key, claim, seal: (answer) => sealAnswer(answer, request.key, caller) };
  return { answer: await inTime(runHeld(options, held, run), timeoutMs), replayed: false };
}

/** Runs to the end, whoever waits for it, and keeps what comes of it. */
async function runHeld(options: OnceOptions, { key, claim, seal }: Held, run: () => Promise<Answer>): Promise<Answer> {
  const { store, ttlMs, leaseMs } = options;
  const stop = keepRenewing(options, key, claim);
  try {
    let answer: Answer;
    try {
      answer = await run();
    } catch (error) {
      await settle(options, () => store.abandon(key, claim));
      throw error;
    }
    const keepMs = answer.status >= 400 ? Math.min(leaseMs, ttlMs) : ttlMs;
    await settle(options, () => store.finish(key, claim, seal(answer), keepMs));
    return answer;
  } finally {
    stop();
  }
}

/** Says again and again that a request runs. @returns ends it */
function keepRenewing(options: OnceOptions, key: IdempotencyKey, claim: string): () => void {
  const { store, leaseMs, closing } = options;
  const timer = setInterval(() => void settle(options, () => store.renew(key, claim, leaseMs)), leaseMs / 3);
  const stop = (): void => {
    clearInterval(timer);
    closing.removeEventListener('abort', stop);
  };
  if (closing.aborted) stop();
  else closing.addEventListener('abort', stop);
  return stop;
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
