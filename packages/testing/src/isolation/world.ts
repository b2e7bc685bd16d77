import { withDeadline, type TenantContext } from '@portcullis/core';
import { contextFor } from '../contexts.js';
import type { IsolationSubject, TenantUnderTest } from './subject.js';
import type { TenantFamily } from './tenant-names.js';
import type { IsolationTrap } from './traps.js';

/** What a unit of work can do beyond put, get and delete. */
export const capabilities = ['getMany', 'list', 'insert', 'copy', 'updateAll', 'clear', 'sql'] as const;

type Capability = (typeof capabilities)[number];

/** What all runs of one assertion share. */
export interface World {
  readonly subject: IsolationSubject;
  readonly families: readonly TenantFamily[];
  readonly has: ReadonlySet<Capability>;
  readonly poolSize: number;
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
  readonly excused: ReadonlySet<IsolationTrap>;
  /** Counted up by the runs. */
  readonly tally: { operations: number; runs: number; refusals: number };
  /** Operations that have been seen to be refused for their own sake, whatever other tenants do. */
  readonly refusedAlone: Set<string>;
  /** Tenants that took part. */
  readonly used: Set<string>;
  /** Tenants that the subject would not provision, with what it said. */
  readonly refused: Map<string, string>;
  readonly contextOf: (name: string) => TenantContext;
  /** Provisions and empties these tenants: those of them that can be used. */
  readonly ready: (names: readonly string[]) => Promise<readonly string[]>;
}

/** How a world is set up. */
export interface WorldOptions {
  readonly families: readonly TenantFamily[];
  readonly stallMs: number;
  readonly signal: AbortSignal | undefined;
  readonly excused: ReadonlySet<IsolationTrap>;
}

export async function createWorld(subject: IsolationSubject, options: WorldOptions): Promise<World> {
  const contexts = new Map<string, TenantContext>();
  const provisioned = new Set<string>();
  const refused = new Map<string, string>();
  const used = new Set<string>();
  const contextOf = (name: string): TenantContext => {
    const context = contexts.get(name) ?? contextFor({ tenant: name });
    contexts.set(name, context);
    return context;
  };
  const provision = async (name: string): Promise<void> => {
    if (provisioned.has(name) || refused.has(name)) return;
    try {
      await subject.provision?.(contextOf(name));
      provisioned.add(name);
    } catch (error) {
      refused.set(name, error instanceof Error ? error.message : String(error));
    }
  };
  const ready = async (names: readonly string[]): Promise<readonly string[]> => {
    options.signal?.throwIfAborted();
    for (const name of names) await provision(name);
    const usable = names.filter((name) => !refused.has(name));
    await withDeadline(
      emptied(subject, usable.map(contextOf)),
      options.stallMs,
      () => new Error('`reset` did not end'),
    );
    for (const name of usable) used.add(name);
    return usable;
  };
  const [first] = options.families;
  if (first === undefined) throw new TypeError('at least two tenants are needed');
  const [name] = await ready(first);
  if (name === undefined)
    throw new Error(`\`${subject.name}\` does not provision the tenants ${first.join(', ')}`, {
      cause: [...refused.values()],
    });
  return {
    ...options,
    subject,
    has: await capabilitiesOf(subject, contextOf(name)),
    poolSize: subject.poolSize ?? 4,
    tally: { operations: 0, runs: 0, refusals: 0 },
    refusedAlone: new Set(),
    used,
    refused,
    contextOf,
    ready,
  };
}

async function capabilitiesOf(subject: IsolationSubject, context: TenantContext): Promise<ReadonlySet<Capability>> {
  return subject.run(
    context,
    (store: TenantUnderTest) =>
      Promise.resolve(new Set(capabilities.filter((capability) => store[capability] !== undefined))),
    new AbortController().signal,
  );
}

async function emptied(subject: IsolationSubject, contexts: readonly TenantContext[]): Promise<void> {
  if (subject.reset === undefined) for (const context of contexts) await emptyByItself(subject, context);
  else await subject.reset(contexts);
}

async function emptyByItself(subject: IsolationSubject, context: TenantContext): Promise<void> {
  await subject.run(
    context,
    async (store) => {
      if (store.clear !== undefined) {
        await store.clear();
        return;
      }
      if (store.list === undefined)
        throw new TypeError(`\`${subject.name}\` needs \`reset\`, for it has neither \`clear\` nor \`list\``);
      for (const key of await store.list('')) await store.delete(key);
    },
    new AbortController().signal,
  );
}
