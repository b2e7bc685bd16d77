import { setMaxListeners } from 'node:events';
import type { CallOptions, CheckRequest, Decision, PolicyDecisionPoint } from '@portcullis/core';
import { atLeast } from '../at-least.js';
import { askWithin } from '../client/ask-within.js';
import { isUnavailable, unavailable } from '../unavailable.js';
import { readBatch, readSingle, type AboutCall } from './answer.js';
import { batchesOf } from './batches.js';
import {
  allowInsecureRequests,
  metadataUrl,
  readMetadata,
  readPdpUrl,
  standardEndpoints,
  type Endpoints,
} from './endpoints.js';
import { toEvaluations, toSubject, type Evaluation } from './question.js';
import { exchange, NotThereError, requestIdOf, type Exchange, type Fetch } from './transport.js';
import { wireNames, type WireSubject } from './wire.js';

/** How an AuthZEN PDP is asked. One of `url` and `discovery` says where. */
export type AuthzenOptions = AuthzenPlace & AuthzenSettings;

/** Where the PDP is. */
export type AuthzenPlace =
  | {
      /** The PDP's identifier, `https://pdp.example.com`: it is asked at `/access/v1/evaluation` and `…/evaluations` below. */
      readonly url: string;
      readonly discovery?: undefined;
    }
  | {
      /** The PDP's identifier: its metadata at `/.well-known/authzen-configuration` say where it is asked. */
      readonly discovery: string;
      readonly url?: undefined;
    };

type HeadersRecord = Readonly<Record<string, string>>;

/** How it is asked. */
export interface AuthzenSettings {
  /** The name of the engine in decisions. @defaultValue `authzen` */
  readonly engine?: string | undefined;
  /** A bearer token for each request; asked anew each time, so that it may change. */
  readonly token?: (() => string | Promise<string>) | undefined;
  /** More headers for each request. */
  readonly headers?: (() => HeadersRecord | Promise<HeadersRecord>) | undefined;
  /** How long a question may take in all, discovery and token included, in milliseconds. @defaultValue 1000 */
  readonly deadlineMs?: number | undefined;
  /** The policy version that is asked for. @defaultValue `default` */
  readonly policyVersion?: string | undefined;
  /** The most evaluations in one request. @defaultValue 25: the Cerbos PDP repeats its explanation of all in each */
  readonly maxEvaluations?: number | undefined;
  /** The most requests of one question at one time. @defaultValue 8 */
  readonly maxConcurrentRequests?: number | undefined;
  /** The largest answer that is read, in bytes. @defaultValue 4 MiB */
  readonly maxResponseBytes?: number | undefined;
  /**
   * Refuses answers that do not say which policy decided: on for a Cerbos PDP, whose obligations come with that and in
   * no other way.
   *
   * @defaultValue `false`
   */
  readonly requireMeta?: boolean | undefined;
  /** Sends the requests. @defaultValue the global `fetch` */
  readonly fetch?: Fetch | undefined;
  /** Lets `http:` be used beyond this machine. */
  readonly [allowInsecureRequests]?: boolean | undefined;
}

/** One question on its way: all its requests share an end. */
interface Call {
  readonly signal: AbortSignal;
  readonly about: Omit<AboutCall, 'durationMs'>;
  readonly subject: WireSubject;
}

/**
 * Asks any PDP that speaks the OpenID AuthZEN Authorization API 1.0 over HTTP.
 *
 * A question goes out as one `evaluation`, or as `evaluations` with the semantic `execute_all`: the port answers every
 * part of a question, so no part may be skipped. Roles, scope and version travel as the Cerbos PDP reads them. Whatever
 * goes wrong is `pdp_unavailable`; nothing but `"decision": true` is an allow. Obligations of the draft profile and
 * those of a Cerbos PDP are read. AuthZEN has no query plans: `plan` is `pdp_unavailable`.
 *
 * @throws PortcullisError `config_invalid`
 * @see https://openid.net/specs/authorization-api-1_0.html
 * @example
 * ```ts
 * import { authzen } from '@portcullis/pdp/authzen';
 *
 * const pdp = authzen({ url: 'https://pdp.example.com', token: () => process.env['PDP_TOKEN'] ?? '' });
 * await pdp.close();
 * ```
 */
export function authzen(options: AuthzenOptions): PolicyDecisionPoint {
  const allowInsecure = options[allowInsecureRequests] === true;
  const pdp =
    options.url === undefined
      ? readPdpUrl(options.discovery, 'discovery', allowInsecure)
      : readPdpUrl(options.url, 'url', allowInsecure);
  const engine = options.engine ?? 'authzen';
  const deadlineMs = atLeast(1, 'deadlineMs', options.deadlineMs ?? 1000);
  const maxEvaluations = atLeast(1, 'maxEvaluations', options.maxEvaluations ?? 25);
  const maxConcurrent = atLeast(1, 'maxConcurrentRequests', options.maxConcurrentRequests ?? 8);
  const transport = {
    fetch: options.fetch ?? ((request: Request) => globalThis.fetch(request)),
    maxResponseBytes: atLeast(1, 'maxResponseBytes', options.maxResponseBytes ?? 4 * 1024 * 1024),
  };
  const closing = new AbortController();
  // Every call listens to it, as many as there are.
  setMaxListeners(0, closing.signal);
  let known: Endpoints | undefined = options.url === undefined ? undefined : standardEndpoints(pdp);

  /** Metadata are public: the credentials stay here. */
  async function endpoints({ signal, about }: Call): Promise<Endpoints> {
    known ??= readMetadata(
      pdp,
      await exchange({ url: metadataUrl(pdp), headers: new Headers(), requestId: about.callId, signal }, transport),
    );
    return known;
  }

  async function headers(): Promise<Headers> {
    const more = (await options.headers?.()) ?? {};
    const token = await options.token?.();
    if (token === '') throw unavailable('there is no token for the PDP');
    return toHeaders(more, token);
  }

  async function send(call: Call, url: string, body: unknown, requestId: string) {
    const sent: Exchange = { url, body, headers: await headers(), requestId, signal: call.signal };
    try {
      return await exchange(sent, transport);
    } catch (error) {
      // Discovered endpoints that are gone are discovered anew, by the next question.
      if (options.url === undefined && isUnavailable(error) && error.cause instanceof NotThereError) known = undefined;
      throw error;
    }
  }

  /** Where there is no endpoint for batches, each is of one evaluation. */
  async function ask(
    call: Call,
    { evaluation, evaluations = evaluation }: Endpoints,
    batch: readonly Evaluation[],
    requestId: string,
  ): Promise<readonly Decision[]> {
    const startedAt = performance.now();
    const about = (): AboutCall => ({ ...call.about, durationMs: performance.now() - startedAt });
    const context = { [wireNames.includeMeta]: true, [wireNames.requestId]: requestId };
    const [first] = batch;
    if (first !== undefined && batch.length === 1) {
      const { action, resource } = first;
      return [
        readSingle(
          first,
          await send(call, evaluation, { subject: call.subject, action, resource, context }, requestId),
          about(),
        ),
      ];
    }
    const body = {
      subject: call.subject,
      context,
      options: { evaluations_semantic: 'execute_all' },
      evaluations: batch.map(({ action, resource }) => ({ action, resource })),
    };
    return readBatch(batch, await send(call, evaluations, body, requestId), about());
  }

  async function askAll(call: Call, evaluations: readonly Evaluation[]): Promise<ReadonlyMap<Evaluation, Decision>> {
    const place = await endpoints(call);
    const batches = batchesOf(evaluations, place.evaluations === undefined ? 1 : maxEvaluations);
    const decided = new Map<Evaluation, Decision>();
    const queue = [...batches.entries()];
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [index, batch] = next;
        const requestId = batches.length === 1 ? call.about.callId : `${call.about.callId}.${String(index)}`;
        const decisions = await ask(call, place, batch, requestId);
        decisions.forEach((decision, position) => {
          const evaluation = batch[position];
          if (evaluation !== undefined) decided.set(evaluation, decision);
        });
      }
    };
    await Promise.all(Array.from({ length: Math.min(maxConcurrent, batches.length) }, worker));
    return decided;
  }

  async function within<T>(outer: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await askWithin(work, { signal: outer, closing: closing.signal, deadlineMs });
    } catch (error) {
      throw isUnavailable(error) ? error : unavailable('the PDP cannot be reached', error);
    }
  }

  return {
    engine,
    prefersChecks: true,
    async check(request: CheckRequest, { signal: outer }: CallOptions = {}) {
      return within(outer, async (signal) => {
        const policyVersion = request.policyVersion ?? options.policyVersion ?? 'default';
        const evaluations = toEvaluations(request, policyVersion);
        if (evaluations.length === 0) return request.questions.map(() => []);
        const about = {
          scope: request.scope,
          policyVersion,
          callId: requestIdOf(request.requestId),
          engine,
          requireMeta: options.requireMeta ?? false,
        };
        const decided = await askAll({ signal, about, subject: toSubject(request, policyVersion) }, evaluations);
        return inPlace(request, evaluations, decided);
      });
    },
    plan() {
      return Promise.reject(
        unavailable(
          'AuthZEN 1.0 has no query plans: ask about single resources, or put an engine that can plan behind lists',
        ),
      );
    },
    close() {
      closing.abort();
      return Promise.resolve();
    },
  };
}

/** Puts the decisions where their questions were, and only if there is one for each. */
function inPlace(
  { questions }: CheckRequest,
  evaluations: readonly Evaluation[],
  decided: ReadonlyMap<Evaluation, Decision>,
): readonly (readonly Decision[])[] {
  const rows: Decision[][] = questions.map(() => []);
  for (const evaluation of evaluations) {
    const decision = decided.get(evaluation);
    if (decision === undefined) throw unavailable('an evaluation has no decision');
    // They are in order: the actions of one question follow one another.
    rows[evaluation.question]?.push(decision);
  }
  return rows;
}

/** The error of `Headers` repeats the value that it refuses, which may be a token: it is no cause. */
function toHeaders(record: HeadersRecord, token: string | undefined): Headers {
  try {
    const headers = new Headers(record);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    return headers;
  } catch {
    throw unavailable('a header for the PDP is malformed');
  }
}
