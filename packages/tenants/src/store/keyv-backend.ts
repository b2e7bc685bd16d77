import type { Keyv } from 'keyv';
import { z } from 'zod';
import { PortcullisError, withDeadline } from '@portcullis/core';
import type { Backend, Commit, Write } from './backend.js';
import { part } from './memory-backend.js';
import { positionOf } from './text-order.js';
import { parseText } from './transaction.js';

/** Where a commit is written down before it is made. */
const journalKey = JSON.stringify(['journal']);
const journalSchema = z.array(z.strictObject({ key: z.string(), text: z.string().optional() }));
const listSchema = z.array(z.string());

/**
 * A backend over a Keyv adapter that knows no atomic change. One process at a time may use it: commits run one after
 * the other, and each is written down as a whole before it is made, so that one which was cut short is completed
 * before anything else is read.
 */
export function keyvBackend(keyv: Keyv, timeoutMs: number): Backend {
  const run = guarded(keyv, timeoutMs);
  let turn: Promise<unknown> = Promise.resolve();
  let settled = false;
  let settling: Promise<void> | undefined;

  const read = (key: string): Promise<string | undefined> =>
    run(async () =>
      z
        .string()
        .optional()
        .parse((await keyv.get<unknown>(key)) ?? undefined),
    );
  const write = ({ key, text }: Write): Promise<void> =>
    run(async () => {
      if (text === undefined) await keyv.delete(key);
      else if (!(await keyv.set(key, text))) throw new Error('the backend did not store the value');
    });
  const listAt = async (set: string): Promise<readonly string[]> => parseText(listSchema, await read(set)) ?? [];

  /** Completes what a crash or a failure has cut short. */
  async function complete(): Promise<void> {
    for (const { key, text } of parseText(journalSchema, await read(journalKey)) ?? []) await write({ key, text });
    await write({ key: journalKey, text: undefined });
    settled = true;
  }

  async function settle(): Promise<void> {
    if (settled) return;
    settling ??= complete().finally(() => (settling = undefined));
    await settling;
  }

  async function writesOf({ writes, sets }: Commit): Promise<readonly Write[]> {
    const lists = new Map<string, string[]>();
    for (const { set, member, present } of sets) {
      const list = lists.get(set) ?? [...(await listAt(set))];
      const { index, found } = positionOf(list, member);
      if (found !== present) list.splice(index, found ? 1 : 0, ...(found ? [] : [member]));
      lists.set(set, list);
    }
    return [
      ...writes,
      ...[...lists].map(([key, list]) => ({ key, text: list.length === 0 ? undefined : JSON.stringify(list) })),
    ];
  }

  async function commit(change: Commit): Promise<boolean> {
    await settle();
    for (const { key, text } of change.checks) if ((await read(key)) !== text) return false;
    const writes = await writesOf(change);
    if (writes.length === 0) return true;
    settled = false;
    await write({ key: journalKey, text: JSON.stringify(writes) });
    await settle();
    return true;
  }

  return {
    async read(keys) {
      await settle();
      return Promise.all(keys.map(read));
    },
    async range(set, range) {
      await settle();
      return part(await listAt(set), range);
    },
    commit(change) {
      const result = turn.then(() => commit(change));
      turn = result.catch(() => undefined);
      return result;
    },
    close: () => run(() => keyv.disconnect()),
  };
}

/** Runs operations with a deadline, and makes every failure one: on its own Keyv reports some as "there is none". */
function guarded(keyv: Keyv, timeoutMs: number): <T>(operation: () => Promise<T>) => Promise<T> {
  keyv.throwOnErrors = true;
  const store: unknown = keyv.store;
  if (typeof store === 'object' && store !== null && 'throwOnErrors' in store) store.throwOnErrors = true;
  let failure: unknown;
  keyv.on('error', (error: unknown) => (failure = error));
  return async (operation) => {
    try {
      return await withDeadline(operation(), timeoutMs, () => failure);
    } catch (cause) {
      throw new PortcullisError('store_unavailable', undefined, {
        detail: cause instanceof Error ? cause.message : 'the backend failed',
        cause,
      });
    }
  };
}
