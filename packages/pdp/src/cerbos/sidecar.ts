import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PortcullisError, type Attributes, type PolicyDecisionPoint } from '@portcullis/core';
import { tell } from '../client/tell.js';
import { followFolder } from '../policies/follow-folder.js';
import type { PolicyFinding } from '../policies/lint.js';
import { readAtRest } from '../policies/read-at-rest.js';
import { cerbosBinary } from './binary.js';
import { cerbos, type CerbosOptions } from './client.js';
import { startEngine, type EngineLog, type EngineProcess } from './process.js';
import { takeSnapshot, type PolicySnapshot } from './snapshot.js';

/** How the engine is run. */
export interface SidecarOptions extends Omit<CerbosOptions, 'tls'> {
  /** The folder with the policies. */
  readonly policies: string;
  /** Whether attributes that break their schema are a denial. @defaultValue `reject` */
  readonly schemaEnforcement?: 'none' | 'warn' | 'reject' | undefined;
  /** What the expressions of all policies read as `globals`. @defaultValue nothing */
  readonly globals?: Attributes | undefined;
  /** How long the engine may take to start, in milliseconds. @defaultValue 15000 */
  readonly startTimeoutMs?: number | undefined;
  /** How often the folder is looked at where no change is signalled, in milliseconds; 0 for never. @defaultValue 1000 */
  readonly pollMs?: number | undefined;
  /** Lets scoped policies widen what the base policy allows. @defaultValue `false` */
  readonly allowWideningScopes?: boolean | undefined;
  /** Hears of an edit that is not served: the last good policies keep deciding. @defaultValue standard error */
  readonly onPolicyError?: ((error: PortcullisError) => void) | undefined;
  /** Hears of an edit that is live. */
  readonly onPolicyChange?:
    ((snapshot: { readonly revision: string; readonly warnings: readonly PolicyFinding[] }) => void) | undefined;
  /** Hears each line that the engine logs, from `warn` upwards. */
  readonly onLog?: ((log: EngineLog) => void) | undefined;
  /** The path of the binary. @defaultValue the one of the npm package `cerbos` */
  readonly binary?: string | undefined;
}

/** A PDP that runs as a child of this process. */
export interface Sidecar extends PolicyDecisionPoint {
  /** Which policies decide now: the same for the same policies, in an engine of another kind as well. */
  readonly revision: string;
  /** The process id of the engine's supervisor. */
  readonly pid: number;
  /** The address of the engine's socket. */
  readonly target: string;
}

interface Generation {
  readonly engine: EngineProcess;
  readonly client: PolicyDecisionPoint;
  readonly snapshot: PolicySnapshot;
}

/**
 * Runs the Cerbos PDP from npm as a child of this process, on a private unix socket.
 *
 * The engine is never shown the folder that people edit. Each edit is copied, linted and compiled; only a good copy is
 * given to a new engine, and only when that one is healthy do questions go to it. A broken edit is reported and
 * changes nothing. Files that are written within 150 ms of each other are one edit. An engine that dies is replaced in the same way.
 *
 * @throws PortcullisError `config_invalid` (no binary for this platform), `policies_invalid`, `pdp_unavailable`
 * @example
 * ```ts
 * import { cerbosSidecar } from '@portcullis/pdp/cerbos';
 *
 * const pdp = await cerbosSidecar({ policies: './policies' });
 * await pdp.close();
 * ```
 */
export async function cerbosSidecar(options: SidecarOptions): Promise<Sidecar> {
  const source = resolve(options.policies);
  const binary = options.binary ?? cerbosBinary();
  const root = await mkdtemp(join(tmpdir(), 'portcullis-'));
  const onPolicyError =
    options.onPolicyError ??
    ((error: PortcullisError) => {
      console.error(`portcullis: the edit is not served: ${error.message}`);
    });
  const alive = new Set<Generation>();
  let count = 0;
  let closed = false;

  async function start(snapshot: PolicySnapshot): Promise<Generation> {
    const engine = await startEngine({
      binary,
      folder: join(root, `e${String(count++)}`),
      policies: snapshot.folder,
      schemaEnforcement: options.schemaEnforcement ?? 'reject',
      globals: options.globals ?? {},
      startTimeoutMs: options.startTimeoutMs ?? 15_000,
      onLog: options.onLog ?? (() => undefined),
    });
    const generation = { engine, client: cerbos(engine.target, { ...options, tls: false }), snapshot };
    alive.add(generation);
    return generation;
  }

  const snapshotOf = (): Promise<PolicySnapshot> =>
    takeSnapshot(source, join(root, `p${String(count++)}`), binary, options.allowWideningScopes ?? false);

  let state: string;
  let current: Generation;
  try {
    const read = await readAtRest(source, snapshotOf);
    state = read.state;
    current = await start(read.value);
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }

  const isOver = (): boolean => closed;

  async function replace(snapshot: PolicySnapshot): Promise<void> {
    const previous = current;
    const generation = await start(snapshot);
    if (isOver()) {
      await end(generation);
      return;
    }
    current = generation;
    superviseCurrent();
    // Questions that are under way at the old engine may finish.
    setTimeout(() => {
      void retire(previous, snapshot);
    }, options.deadlineMs ?? 1000).unref();
  }

  async function retire(previous: Generation, kept: PolicySnapshot): Promise<void> {
    await end(previous);
    if (previous.snapshot.folder !== kept.folder) await rm(previous.snapshot.folder, { recursive: true, force: true });
  }

  async function end(generation: Generation): Promise<void> {
    alive.delete(generation);
    await generation.client.close();
    await generation.engine.stop();
  }

  /** Brings the engine back when it dies, more slowly each time that fails. */
  function superviseCurrent(): void {
    const watched = current;
    void watched.engine.ended.then(() => recoverAfter(watched, firstRecoveryMs));
  }

  function recoverAfter(dead: Generation, waitMs: number): void {
    if (isOver() || current !== dead) return;
    setTimeout(() => {
      follower.inTurn(() => recover(dead, waitMs));
    }, waitMs).unref();
  }

  async function recover(dead: Generation, waitMs: number): Promise<void> {
    // An edit may have put another engine in its place in the meantime.
    if (isOver() || current !== dead) return;
    try {
      current = await start(dead.snapshot);
    } catch (error) {
      recoverAfter(dead, Math.min(waitMs * 2, lastRecoveryMs));
      throw new PortcullisError('pdp_unavailable', 'the engine died and cannot be started again', { cause: error });
    }
    superviseCurrent();
    await end(dead);
  }

  async function serve(snapshot: PolicySnapshot): Promise<void> {
    if (snapshot.revision === current.snapshot.revision) return;
    await replace(snapshot);
    tell(options.onPolicyChange, { revision: snapshot.revision, warnings: snapshot.warnings });
  }

  superviseCurrent();
  const follower = followFolder({
    folder: source,
    state,
    pollMs: options.pollMs ?? 1000,
    take: snapshotOf,
    discard: ({ folder }) => rm(folder, { recursive: true, force: true }),
    serve,
    onError: onPolicyError,
  });

  return {
    engine: 'cerbos',
    get revision() {
      return current.snapshot.revision;
    },
    get pid() {
      return current.engine.pid;
    },
    get target() {
      return current.engine.target;
    },
    async check(request, callOptions) {
      const { client, snapshot } = current;
      const answers = await client.check(request, callOptions);
      return answers.map((decisions) =>
        decisions.map((decision) => ({ ...decision, policyRevision: snapshot.revision })),
      );
    },
    plan: (request, callOptions) => current.client.plan(request, callOptions),
    async close() {
      if (closed) return;
      closed = true;
      await follower.close();
      await Promise.all([...alive].map(end));
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** How long the first and the slowest attempt to bring a dead engine back wait, in milliseconds. */
const firstRecoveryMs = 50;
const lastRecoveryMs = 5000;
