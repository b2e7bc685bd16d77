import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { buffered } from '../buffered.js';
import type { AuditEntry } from '../entry.js';
import { postgresTrails, type PostgresTrails } from '../postgres.js';
import { auditTrail, type AuditTrail } from '../trail/audit-trail.js';
import { nextRecord, parseRecord, type TrailHead } from '../trail/record.js';
import { checkpointSigner, generateCheckpointKey, type CheckpointSigner } from '../trail/signer.js';
import type { TrailStore } from '../trail/store.js';
import { trailOfTenant } from '../trail/trails-of.js';

let server: PostgresServer;
let pool: pg.Pool;
let signer: CheckpointSigner;
beforeAll(async () => {
  signer = await checkpointSigner(await generateCheckpointKey());
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url(), max: 10 });
  pool.on('error', () => undefined);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

let count = 0;
let schema: string;
let store: PostgresTrails;
let trail: AuditTrail;
beforeEach(async () => {
  schema = `audit_${String(++count)}`;
  store = postgresTrails(pool, { schema });
  await store.migrate();
  trail = auditTrail({ store, signer, onError: () => undefined });
});

const entry = (tenant: string, requestId = 'r'): AuditEntry => ({
  ...{ type: 'refusal', effect: 'deny', code: 'denied', requestId, tenant, latencyMs: 0 },
});
/** As somebody whom no trigger stops. */
async function asSuperuser(...statements: readonly (readonly [text: string, values?: unknown[]])[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const [text, values] of statements) await client.query(text, values);
  } finally {
    client.release(true);
  }
}
/** Writes a trail anew, with so many records. */
async function rewritten(tenant: string, records: number): Promise<void> {
  const name = trailOfTenant(tenant);
  let head: TrailHead = { seq: 0, hash: null };
  const statements: [string, unknown[]?][] = [[`DELETE FROM ${schema}.records WHERE trail = $1`, [name]]];
  for (let at = 0; at < records; at++) {
    const made = nextRecord(name, head, '2026-01-01T00:00:00.000Z', `{"tenant":"${tenant}","type":"refusal"}`);
    const { seq, time, prev, hash, entry: text } = made;
    const values = [name, seq, time, prev, hash, text];
    statements.push([
      `INSERT INTO ${schema}.records (trail, seq, time, prev, hash, entry) VALUES ($1, $2, $3, $4, $5, $6)`,
      values,
    ]);
    head = made;
  }
  statements.push([`UPDATE ${schema}.heads SET seq = $2, hash = $3 WHERE trail = $1`, [name, head.seq, head.hash]]);
  await asSuperuser(...statements);
}
const lengthOf = async (tenant: string): Promise<number> => (await store.state(trailOfTenant(tenant))).seq;
const unavailable = expect.objectContaining({ code: 'audit_unavailable' }) as unknown;

describe('a trail that somebody wrote anew', () => {
  it('is not continued, also where it is longer than it was', async () => {
    for (let at = 0; at < 3; at++) await trail.record(entry('a'));
    await rewritten('a', 5);
    await expect(trail.record(entry('a'))).rejects.toMatchObject({
      code: 'audit_unavailable',
      detail: expect.stringContaining('record 3 is another one') as unknown,
    });
    expect(await lengthOf('a')).toBe(5);
  });

  it('is not signed, and the others are', async () => {
    for (let at = 0; at < 3; at++) await trail.recordAll([entry('a'), entry('b')]);
    await rewritten('a', 5);
    await expect(trail.checkpoint()).rejects.toEqual(unavailable);
    expect((await store.state('tenant:a')).checkpoint.seq).toBe(0);
    expect((await store.state('tenant:b')).checkpoint.seq).toBe(3);
  });

  it('is not signed as if for the first time where its checkpoints are gone', async () => {
    await trail.recordAll([entry('a'), entry('b')]);
    await trail.checkpoint();
    await trail.recordAll([entry('a'), entry('b')]);
    await asSuperuser(
      [`DELETE FROM ${schema}.checkpoints WHERE trail = 'tenant:a'`],
      [
        `UPDATE ${schema}.heads SET checkpoint_n = 0, checkpoint_seq = 0, checkpoint_digest = NULL WHERE trail = 'tenant:a'`,
      ],
    );
    await expect(trail.checkpoint()).rejects.toEqual(unavailable);
    expect((await store.state('tenant:a')).checkpoint.n).toBe(0);
    expect((await store.state('tenant:b')).checkpoint.n).toBe(2);
    await asSuperuser(
      [`DELETE FROM ${schema}.checkpoints WHERE trail = '*'`],
      [`UPDATE ${schema}.heads SET checkpoint_n = 0, checkpoint_digest = NULL WHERE trail = '*'`],
    );
    await trail.record(entry('b'));
    await expect(trail.checkpoint()).rejects.toEqual(unavailable);
    expect((await store.state('tenant:b')).checkpoint.n).toBe(2);
  });

  it('refuses itself and nobody who happens to be in the same group', async () => {
    for (let at = 0; at < 3; at++) await trail.record(entry('a'));
    await rewritten('a', 1);
    const audit = buffered(trail, { maxEntries: 100, whenFull: 'block', timeoutMs: 5000 });
    const tenants = ['b', 'a', 'c', 'd', 'a', 'e', 'b'];
    const outcomes = await Promise.allSettled(tenants.map((tenant) => audit.record(entry(tenant))));
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(tenants.map((tenant) => tenant !== 'a'));
    expect(await Promise.all(['a', 'b', 'c', 'd', 'e'].map(lengthOf))).toEqual([1, 2, 1, 1, 1]);
  });
});

it('an entry that the database refuses refuses itself alone', async () => {
  await pool.query(`ALTER TABLE ${schema}.records ADD CHECK (trail <> 'tenant:odd')`);
  const audit = buffered(trail, { maxEntries: 100, whenFull: 'block', timeoutMs: 5000 });
  const outcomes = await Promise.allSettled(['b', 'odd', 'c'].map((tenant) => audit.record(entry(tenant))));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await Promise.all(['b', 'odd', 'c'].map(lengthOf))).toEqual([1, 0, 1]);
});

it('a database that chains in another way is not believed, and not continued', async () => {
  const lying: TrailStore = {
    ...store,
    async append(batch) {
      const { before, after } = await store.append(batch);
      return { before, after: after && new Map([...after].map(([name, head]) => [name, { ...head, hash: 'other' }])) };
    },
  };
  const fooled = auditTrail({ store: lying, signer, onError: () => undefined });
  await expect(fooled.record(entry('a'))).rejects.toEqual(unavailable);
  const { rows } = await pool.query<{ text: string }>(
    `SELECT pg_get_functiondef(oid) AS text FROM pg_proc WHERE pronamespace = '${schema}'::regnamespace AND proname = 'append'`,
  );
  await pool.query(rows[0]!.text.replace('"entry":', '"Entry":'));
  await expect(trail.record(entry('b'))).rejects.toEqual(unavailable);
  await pool.query(rows[0]!.text);
  await expect(trail.record(entry('b'))).rejects.toEqual(unavailable);
  await trail.record(entry('c'));
});

it('what is acknowledged is on the disk, whatever the server does by itself', async () => {
  await pool.query(`CREATE TABLE ${schema}.seen (setting text)`);
  await pool.query(`CREATE FUNCTION ${schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO ${schema}.seen SELECT current_setting('synchronous_commit'); RETURN NULL; END $$`);
  await pool.query(`CREATE CONSTRAINT TRIGGER see AFTER INSERT ON ${schema}.records
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${schema}.see()`);
  const careless = new pg.Pool({ connectionString: server.url(), options: '-c synchronous_commit=off' });
  const its = auditTrail({ store: postgresTrails(careless, { schema }), signer });
  await its.record(entry('a'));
  expect((await pool.query(`SELECT DISTINCT setting FROM ${schema}.seen`)).rows).toEqual([{ setting: 'on' }]);
  await careless.end();
});

it('rows that are locked one after the other are not waited for longer than for one', async () => {
  const impatient = postgresTrails(pool, { schema, timeoutMs: 2000 });
  const its = auditTrail({ store: impatient, signer });
  await its.recordAll([entry('a'), entry('b')]);
  const holders = await Promise.all(
    ['tenant:a', 'tenant:b'].map(async (name) => {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query(`SELECT 1 FROM ${schema}.heads WHERE trail = $1 FOR UPDATE`, [name]);
      return client;
    }),
  );
  const recording = its.recordAll([entry('a'), entry('b')]);
  recording.catch(() => undefined);
  for (const client of holders) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await client.query('ROLLBACK');
    client.release();
  }
  await expect(recording).rejects.toEqual(unavailable);
  await expect
    .poll(
      async () =>
        (
          await pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%"${schema}".append%' AND state = 'active' AND pid <> pg_backend_pid()`,
          )
        ).rowCount,
    )
    .toBe(0);
  expect(await lengthOf('a')).toBe(1);
});

it('a trail is added to while its beginning is removed', async () => {
  for (let at = 0; at < 3; at++) await trail.record(entry('a'));
  await trail.checkpoint();
  const { checkpoint, hash } = await store.state('tenant:a');
  const holder = await pool.connect();
  await holder.query('BEGIN');
  await holder.query(`SELECT 1 FROM ${schema}.records WHERE trail = 'tenant:a' AND seq = 1 FOR UPDATE`);
  const tombstone = { trail: 'tenant:a', n: 2, seq: 3, previous: checkpoint.digest, digest: 'd', jws: 'j' };
  const removing = store.remove({ trail: 'tenant:a', seq: 3, checkpointN: 0, tombstone });
  await expect
    .poll(
      async () =>
        (
          await pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM "${schema}".records%'`,
          )
        ).rowCount,
    )
    .toBe(1);
  await trail.record(entry('a'));
  await holder.query('ROLLBACK');
  holder.release();
  expect(await removing).toBe(true);
  expect(hash).not.toBeNull();
  expect(await lengthOf('a')).toBe(4);
  // One whose record of it does not follow removes nothing.
  const late = { ...tombstone, n: 2 };
  expect(await store.remove({ trail: 'tenant:a', seq: 4, checkpointN: 0, tombstone: late })).toBe(false);
  const left: number[] = [];
  for await (const text of store.records({ trail: 'tenant:a' })) left.push(parseRecord(text)!.seq);
  expect(left).toEqual([4]);
});

it('a replica that another one signs for does not ask all the time', async () => {
  let asked = 0;
  const counting: TrailStore = { ...store, unsigned: (...args) => (asked++, store.unsigned(...args)) };
  const mine = auditTrail({ store: counting, signer, checkpointEvery: 10 });
  // What it looks for when it starts is over, so that no round of its own is on its way when the other one signs.
  await mine.checkpoint();
  for (let at = 0; at < 9; at++) await mine.record(entry('a'));
  await trail.checkpoint();
  await mine.checkpoint();
  const before = asked;
  for (let at = 0; at < 9; at++) {
    await mine.record(entry('a'));
    await trail.checkpoint();
  }
  expect(asked - before).toBeLessThanOrEqual(2);
});
