import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import type { Backend, SetWrite, Write } from './backend.js';
import { parseStored } from './record.js';

/** Reads and changes that take effect together. What was read is verified when the changes are made. */
export interface Transaction {
  get<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined>;
  /**
   * A part of an ordered set. It is not verified: read a record first that changes whenever the set does.
   */
  range: Backend['range'];
  set(key: string, value: unknown): void;
  delete(key: string): void;
  include(set: string, member: string): void;
  exclude(set: string, member: string): void;
}

/** How often a transaction that meets others is tried; with the pauses between, some three seconds in all. */
const attempts = 100;
const longestPauseMs = 64;

/**
 * Runs work as one optimistic transaction: what it read is remembered, its changes are made in one commit on the
 * condition that nothing of what was read has changed, and otherwise it runs again. A refusal that the work throws is
 * verified in the same way, so that nobody is refused because of two records that never were there together.
 *
 * Of several that meet at least one gets through each time. A commit whose outcome is unknown is never repeated here.
 *
 * @throws PortcullisError `storage_conflict` when others were faster each time; nothing was changed then
 */
export async function transact<T>(backend: Backend, work: (transaction: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const transaction = new RecordedTransaction(backend);
    const outcome = await outcomeOf(work(transaction));
    const holds = 'refusal' in outcome ? await transaction.verify() : await transaction.commit();
    if (holds) {
      if ('refusal' in outcome) throw outcome.refusal;
      return outcome.value;
    }
    // The jitter is what keeps two from meeting again at each attempt.
    await sleep(Math.random() * Math.min(2 ** attempt, longestPauseMs));
  }
  throw new PortcullisError('storage_conflict');
}

async function outcomeOf<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly refusal: PortcullisError }> {
  try {
    return { value: await work };
  } catch (error) {
    if (error instanceof PortcullisError && error.code !== 'store_unavailable') return { refusal: error };
    throw error;
  }
}

class RecordedTransaction implements Transaction {
  readonly #backend: Backend;
  readonly #read = new Map<string, string | undefined>();
  readonly #writes = new Map<string, Write>();
  readonly #sets = new Map<string, SetWrite>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async get<T>(key: string, schema: z.ZodType<T>): Promise<T | undefined> {
    if (!this.#read.has(key)) {
      const [text] = await this.#backend.read([key]);
      this.#read.set(key, text);
    }
    return parseText(schema, this.#read.get(key));
  }

  range: Backend['range'] = (set, range) => this.#backend.range(set, range);

  set(key: string, value: unknown): void {
    this.#writes.set(key, { key, text: JSON.stringify(value) });
  }

  delete(key: string): void {
    this.#writes.set(key, { key, text: undefined });
  }

  include(set: string, member: string): void {
    this.#sets.set(JSON.stringify([set, member]), { set, member, present: true });
  }

  exclude(set: string, member: string): void {
    this.#sets.set(JSON.stringify([set, member]), { set, member, present: false });
  }

  async commit(): Promise<boolean> {
    if (this.#writes.size === 0 && this.#sets.size === 0) return this.verify();
    return this.#backend.commit({
      checks: this.#checks(),
      writes: [...this.#writes.values()],
      sets: [...this.#sets.values()],
    });
  }

  /** Whether all that was read was there at one time. One record always was. */
  async verify(): Promise<boolean> {
    return this.#read.size <= 1 || this.#backend.commit({ checks: this.#checks(), writes: [], sets: [] });
  }

  #checks(): readonly Write[] {
    return [...this.#read].map(([key, text]) => ({ key, text }));
  }
}

/** Reads a stored text. @throws PortcullisError `store_unavailable` when it is not what it should be */
export function parseText<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PortcullisError('store_unavailable', undefined, { detail: 'a stored record is not JSON', cause });
  }
  return parseStored(schema, value);
}
