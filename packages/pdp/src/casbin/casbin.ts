import {
  isTenantId,
  PortcullisError,
  withDeadline,
  type CallOptions,
  type CheckRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';
import { atLeast } from '../at-least.js';
import { unavailable } from '../unavailable.js';
import { checkLines } from './checked-lines.js';
import { guardedFunctions } from './custom-functions.js';
import { decisions, engine, explain, plan, type Explanation } from './decide.js';
import type { MatcherFunction } from './enforcer.js';
import type { PolicyLine } from './line.js';
import { modelText, readModel, type CheckedModel } from './model.js';
import { policySet, refuseOpenMatcher, type PolicySet } from './policy-set.js';
import type { Mapping } from './question.js';
import { readAdapterLines, readFileLines, type LineAdapter } from './read-lines.js';
import { reloading, type PolicyEvent } from './reload.js';

/** What tells that policies have changed: the part of casbin’s `Watcher` that is used. */
export interface PolicyWatcher {
  setUpdateCallback(callback: () => void): void;
}

/** How casbin decides. */
export interface CasbinOptions {
  /** The model: a file, or its text (which has line breaks). A request has the fields `sub, dom, obj, act`. */
  readonly model: string;
  /** Files with lines, `.csv` or `.yaml`. @defaultValue none */
  readonly policies?: string | readonly string[] | undefined;
  /** Lines as they are, before those of files. @defaultValue none */
  readonly lines?: readonly PolicyLine[] | undefined;
  /** Any adapter of casbin: its lines come after those of files. @defaultValue none */
  readonly adapter?: LineAdapter | undefined;
  /** Any watcher of casbin: what it tells loads the policies anew. It stays yours to close. @defaultValue none */
  readonly watcher?: PolicyWatcher | undefined;
  /** Functions for the matcher. Each answers `true` or `false`, at once. @defaultValue none */
  readonly functions?: Readonly<Record<string, MatcherFunction>> | undefined;
  /**
   * Who `r.sub` is. `roles`: the principal’s roles in the tenant, and lines `g` are links between roles. `id`: its id,
   * and lines `g` alone say which roles it has. `roles_and_id`: both, and an id is written as `user:` and the id.
   *
   * @defaultValue `roles`
   */
  readonly subject?: Mapping['subject'] | undefined;
  /**
   * Whether all roles of a principal are asked together, so that a line `deny` for one of them denies; or each apart,
   * so that one that is allowed is enough, as in Cerbos. @defaultValue `together`
   */
  readonly roles?: Mapping['roles'] | undefined;
  /** What `r.obj` is: the resource’s kind, or `kind:id`. @defaultValue `kind` */
  readonly object?: Mapping['object'] | undefined;
  /** The domain whose lines are for every tenant, as `*`. @defaultValue none: every line names its tenant */
  readonly sharedDomain?: string | undefined;
  /** How many enforcers, of one tenant and one object each, are kept. @defaultValue 10 000 */
  readonly maxEnforcers?: number | undefined;
  /** The longest that files and adapter may take, in milliseconds, at least 1. @defaultValue 10 000 */
  readonly loadDeadlineMs?: number | undefined;
  /** Told of every reload. What it throws is dropped. @defaultValue nothing is told */
  readonly onEvent?: ((event: PolicyEvent) => void) | undefined;
}

/** casbin behind the port. */
export interface Casbin extends PolicyDecisionPoint {
  /** SHA-256 over the model and the lines that decide now, in hex. */
  readonly revision: string;
  /**
   * Which line decides on each action. Answers by position, as `check`.
   *
   * @throws PortcullisError `pdp_unavailable`
   */
  explain(request: CheckRequest): readonly (readonly Explanation[])[];
  /**
   * Loads files and adapter again. Where that fails, what decided before goes on to decide.
   *
   * @throws PortcullisError `policies_invalid`
   */
  reload(): Promise<void>;
}

/**
 * Decides by casbin: your model, and lines from CSV, YAML or any adapter. The domain is the tenant.
 *
 * A principal is only ever asked about in its own tenant: a resource of another one is denied before casbin is asked.
 * For each tenant and object there is an enforcer of its own, with the lines that can match there and no others, so
 * that the cost does not grow with the number of lines. What casbin would read in a way of its own without a word is
 * refused when it is loaded, with file and line.
 *
 * `check` and `plan` fail with `pdp_unavailable` where there is no answer: the question is malformed or asks for a
 * policy version, a function answered neither `true` nor `false`, the engine is closed, or (for `plan`) the matcher
 * reads the resource.
 *
 * @throws PortcullisError `policies_invalid` for a model or a line that is not taken; `config_invalid` for options
 * @example
 * ```ts
 * import { casbin, rbacModel } from '@portcullis/pdp/casbin';
 *
 * const lines = [{ ptype: 'p', values: ['member', 'acme', 'document', 'read', 'allow'] }];
 * const pdp = await casbin({ model: rbacModel, lines });
 * await pdp.close();
 * ```
 */
export async function casbin(options: CasbinOptions): Promise<Casbin> {
  const mapping = mappingOf(options);
  const functions = guardedFunctions(options.functions ?? {});
  const [text, place] = await inTime(modelText(options.model), options);
  const subjectIsText = mapping.subject === 'id';
  const model = readModel(text, place, { functions: [...functions.keys()], subjectIsText });
  refuseOpenMatcher({ model, functions });
  const { sharedDomain, maxEnforcers = 10_000 } = options;
  let closed = false;
  // Told while the first load runs: it may have read before the change.
  const meanwhile = { changed: false };
  let reloadLater: () => void = () => {
    meanwhile.changed = true;
  };
  options.watcher?.setUpdateCallback(() => {
    if (!closed) reloadLater();
  });

  async function load(): Promise<PolicySet> {
    const lines = checkLines(await readLines(options, model), model, sharedDomain);
    return policySet({ model, lines, functions, sharedDomain, maxEnforcers });
  }

  function refuseIfOver(signal?: AbortSignal): void {
    if (closed) throw unavailable('the engine is closed');
    if (signal?.aborted === true) throw unavailable('the caller gave up', signal.reason);
  }

  let current = await load();
  const reload = reloading({
    load,
    take: (next) => {
      current = next;
    },
    revision: () => current.revision,
    tell: options.onEvent,
  });
  reloadLater = () => {
    // What goes wrong is told by an event.
    reload().catch(() => undefined);
  };
  // Who waits for the first load gets what came during it.
  if (meanwhile.changed) await reload();

  return {
    engine,
    get revision() {
      return current.revision;
    },
    check(request, { signal }: CallOptions = {}) {
      return new Promise((fulfil) => {
        const startedAt = performance.now();
        refuseIfOver(signal);
        fulfil(decisions(explain(current, request, mapping), request, { startedAt, policyRevision: current.revision }));
      });
    },
    plan(request, { signal }: CallOptions = {}) {
      return new Promise((fulfil) => {
        refuseIfOver(signal);
        fulfil(plan(current, model, request, mapping));
      });
    },
    explain(request) {
      refuseIfOver();
      return explain(current, request, mapping);
    },
    async reload() {
      refuseIfOver();
      await reload();
    },
    close() {
      closed = true;
      return Promise.resolve();
    },
  };
}

const known: ReadonlySet<string> = new Set(
  'model policies lines adapter watcher functions subject roles object sharedDomain maxEnforcers loadDeadlineMs onEvent'.split(
    ' ',
  ),
);

function mappingOf(options: CasbinOptions): Mapping {
  const unknown = Object.keys(options).find((name) => !known.has(name));
  // An enforcer above all: it could be a disabled one, which allows everything.
  if (unknown !== undefined) throw invalid(unknown, 'is not known');
  if (options.maxEnforcers !== undefined && !(Number.isSafeInteger(options.maxEnforcers) && options.maxEnforcers > 0))
    throw invalid('maxEnforcers', 'has to be a whole number above 0');
  if (options.loadDeadlineMs !== undefined) atLeast(1, 'loadDeadlineMs', options.loadDeadlineMs);
  if (options.sharedDomain === '') throw invalid('sharedDomain', 'is empty');
  if (isTenantId(options.sharedDomain))
    throw invalid('sharedDomain', 'could be a tenant, whose lines would be for all');
  return {
    subject: oneOf('subject', options.subject ?? 'roles', ['roles', 'id', 'roles_and_id']),
    roles: oneOf('roles', options.roles ?? 'together', ['together', 'apart']),
    object: oneOf('object', options.object ?? 'kind', ['kind', 'kind:id']),
  };
}

function oneOf<T extends string>(name: string, value: T, values: readonly T[]): T {
  if (!values.includes(value)) throw invalid(name, `has to be one of ${values.join(', ')}`);
  return value;
}

function invalid(name: string, wrong: string): PortcullisError {
  return new PortcullisError('config_invalid', `\`${name}\` ${wrong}`);
}

/** Everything under one deadline: a file on a share that is away, or a pipe, hangs as an adapter does. */
async function readLines(
  { policies = [], lines = [], adapter, loadDeadlineMs }: CasbinOptions,
  model: CheckedModel,
): Promise<readonly PolicyLine[]> {
  const files = typeof policies === 'string' ? [policies] : policies;
  const controller = new AbortController();
  const read = async (): Promise<readonly PolicyLine[]> => {
    const ofFiles = await Promise.all(files.map((file) => readFileLines(file, model, controller.signal)));
    const ofAdapter = adapter === undefined ? [] : await linesOfAdapter(adapter, model);
    return [...lines, ...ofFiles.flat(), ...ofAdapter];
  };
  return inTime(read(), { loadDeadlineMs }).finally(() => {
    controller.abort();
  });
}

async function inTime<T>(
  loading: Promise<T>,
  { loadDeadlineMs = 10_000 }: Pick<CasbinOptions, 'loadDeadlineMs'>,
): Promise<T> {
  try {
    return await withDeadline(loading, loadDeadlineMs);
  } catch (cause) {
    if (cause instanceof PortcullisError) throw cause;
    throw new PortcullisError('policies_invalid', 'the policies cannot be loaded in time', { cause });
  }
}

async function linesOfAdapter(adapter: LineAdapter, model: CheckedModel): Promise<readonly PolicyLine[]> {
  try {
    return await readAdapterLines(adapter, model);
  } catch (cause) {
    throw new PortcullisError('policies_invalid', 'the adapter cannot load its lines', { cause });
  }
}
