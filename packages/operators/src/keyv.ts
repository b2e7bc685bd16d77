import type { Keyv } from 'keyv';
import { z } from 'zod';
import { PortcullisError, parseStrictJson, withDeadline } from '@portcullis/core';
import { grantRecord } from './grant/record.js';
import { placeOf, type GrantOwner, type GrantStore, type StoredGrant } from './grant/store.js';
import { redisAdapterOf } from './keyv/redis-client.js';
import { scripts } from './keyv/scripts.js';

/** How Redis is used. */
export interface KeyvGrantsOptions {
  /** How long one operation may take, in milliseconds. @defaultValue 1000 */
  readonly timeoutMs?: number | undefined;
}

/** The fields of a grant's hash, all of them or none. */
const storedFields = z.tuple([z.string(), z.string(), z.string().regex(/^\d{1,15}$/)]);
const noFields = z.tuple([z.null(), z.null(), z.null()]);
const listed = z.array(z.tuple([z.string(), z.unknown(), z.unknown(), z.unknown()]));

/**
 * Keeps grants in Redis, for replicas that share it: every change is one script there, so that a grant is approved once
 * and a revocation is final. Hand it a Keyv instance of its own, over `@keyv/redis`; its namespace keeps the keys apart.
 *
 * Everything that goes wrong is `grants_unavailable`, and so is an answer that is late: a Redis client that is offline
 * would queue commands without end. What was cut off on its way back may have been done.
 *
 * A Redis that forgets its last writes in a crash (`appendfsync everysec`, failover) can forget a revocation: use
 * `appendfsync always`, and short grants.
 *
 * @throws PortcullisError `config_invalid` for any other Keyv adapter, and for Redis Cluster
 * @example
 * ```text
 * import KeyvRedis from '@keyv/redis';
 * import { Keyv } from 'keyv';
 *
 * const store = keyvGrants(new Keyv({ store: new KeyvRedis('redis://127.0.0.1:6379'), namespace: 'portcullis' }));
 * ```
 */
export function keyvGrants(keyv: Keyv, options: KeyvGrantsOptions = {}): GrantStore {
  const adapter = redisAdapterOf(keyv.store);
  const timeoutMs = options.timeoutMs ?? 1000;
  const prefix = `${keyv.namespace ?? ''}::grants`;
  const grantKeys = `${prefix}:grant:`;
  let failure: unknown;
  keyv.on('error', (error: unknown) => (failure = error));

  async function run(script: keyof typeof scripts, keys: string[], args: string[]): Promise<unknown> {
    const controller = new AbortController();
    try {
      return await withDeadline(
        adapter
          .getClient()
          .then((client) => client.withAbortSignal(controller.signal).eval(scripts[script], { keys, arguments: args })),
        timeoutMs,
        () => failure,
      );
    } catch (cause) {
      throw unavailable(cause instanceof Error ? cause.message : 'the backend failed', cause);
    } finally {
      // A command that still waits to be sent is not sent any more.
      controller.abort();
    }
  }

  async function changed(script: 'create' | 'replace' | 'use', keys: string[], args: string[]): Promise<boolean> {
    const answer = await run(script, keys, args);
    if (answer !== 0 && answer !== 1) throw unavailable('the answer is neither yes nor no');
    return answer === 1;
  }

  const listKey = (owner: GrantOwner): string =>
    'operator' in owner ? `${prefix}:operator:${owner.operator}` : `${prefix}:tenant:${owner.tenant}`;

  return {
    async create(record, keepMs) {
      const keys = [
        `${grantKeys}${record.id}`,
        listKey({ operator: record.operator.key }),
        listKey({ tenant: record.tenant }),
      ];
      const args = [JSON.stringify(record), String(record.version), placeOf(record), String(keepMs), grantKeys];
      if (!(await changed('create', keys, args))) throw new PortcullisError('conflict');
    },
    get: async (id) => readStored(await run('get', [`${grantKeys}${id}`], []), id),
    replace: (record, version, keepMs) =>
      changed(
        'replace',
        [`${grantKeys}${record.id}`],
        [String(version), JSON.stringify(record), String(record.version), String(keepMs)],
      ),
    use: (id, version) => changed('use', [`${grantKeys}${id}`], [String(version)]),
    async list(owner, { limit, cursor }) {
      const from = cursor === undefined ? '+' : `(${cursor}`;
      const answer = listed.safeParse(await run('list', [listKey(owner)], [from, String(limit + 1), grantKeys]));
      if (!answer.success) throw unavailable('the list is not one', answer.error);
      const shown = answer.data.slice(0, limit);
      const last = shown.at(-1);
      return {
        // What has been forgotten since is no longer there.
        grants: shown
          .map(([place, ...fields]) => readStored(fields, place.slice(17)))
          .filter((stored) => stored !== undefined),
        ...(answer.data.length > limit && last !== undefined ? { cursor: last[0] } : {}),
      };
    },
    close: async () => {
      try {
        await withDeadline(keyv.disconnect(), timeoutMs, () => failure);
      } catch (cause) {
        throw unavailable('the connection cannot be closed', cause);
      }
    },
  };
}

/** A grant's hash: there and whole, or not there at all. Anything else is a failure and no miss. */
function readStored(fields: unknown, id: string): StoredGrant | undefined {
  if (noFields.safeParse(fields).success) return undefined;
  const stored = storedFields.safeParse(fields);
  if (!stored.success) throw unavailable('a grant is incomplete', stored.error);
  const [text, version, uses] = stored.data;
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (cause) {
    throw unavailable('a grant is not JSON', cause);
  }
  const record = grantRecord.safeParse(value);
  if (!record.success) throw unavailable('a grant is malformed', record.error);
  if (record.data.id !== id || String(record.data.version) !== version)
    throw unavailable('a grant is in the place of another');
  return { record: record.data, uses: Number(uses) };
}

function unavailable(detail: string, cause?: unknown): PortcullisError {
  return new PortcullisError('grants_unavailable', undefined, { detail, cause });
}
