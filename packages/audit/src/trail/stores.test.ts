import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import type { AuditEntry, DecisionEntry } from '../entry.js';
import { postgresTrails } from '../postgres.js';
import { verifyTrail } from '../verify/verify-trail.js';
import { auditTrail } from './audit-trail.js';
import { fileTrails } from './file-trails.js';
import { memoryTrails } from './memory-trails.js';
import { hashOf, parseRecord } from './record.js';
import { checkpointSigner, generateCheckpointKey, type CheckpointSigner } from './signer.js';
import { readCheckpoint, signCheckpoint } from './checkpoint.js';
import type { TrailStore } from './store.js';

let server: PostgresServer;
let pool: pg.Pool;
let signer: CheckpointSigner;
const folders: string[] = [];
beforeAll(async () => {
  signer = await checkpointSigner(await generateCheckpointKey());
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url(), max: 10 });
  pool.on('error', () => undefined);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
  for (const folder of folders) rmSync(folder, { recursive: true });
});

let schemas = 0;
const stores: Readonly<Record<string, () => Promise<TrailStore>>> = {
  memory: () => memoryTrails(),
  file: () => {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-trails-'));
    folders.push(folder);
    return fileTrails({ folder });
  },
  PostgreSQL: async () => {
    const store = postgresTrails(pool, { schema: `audit_${String(++schemas)}` });
    await store.migrate();
    return store;
  },
};

const entry = (tenant: string, requestId: string, effect: 'allow' | 'deny' = 'allow'): DecisionEntry => ({
  type: 'decision',
  effect,
  requestId,
  tenant,
  actor: { id: `test#${requestId.slice(0, 1)}`, provider: 'test', kind: 'user', delegation: [] },
  method: 'tools/call',
  name: 'note_read',
  latencyMs: 1,
  decisions: [],
});
const ofOperator = (tenant: string, requestId: string): AuditEntry => ({
  ...entry(tenant, requestId),
  type: 'operator_access',
  effect: 'allow',
  tenant,
  storage: 'keyv',
  reason: 'ticket',
  expiresAt: '2026-01-01T00:00:00.000Z',
});
const texts = async (lines: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
};
const intact = async (store: TrailStore): Promise<readonly unknown[]> =>
  (await verifyTrail({ records: store.records(), checkpoints: store.checkpoints(), keys: [signer.publicKey] }))
    .findings;

describe.each(Object.entries(stores))('trails in %s', (_name, open) => {
  let store: TrailStore;
  beforeEach(async () => {
    store = await open();
    return () => store.close();
  });

  it('keep what is recorded, numbered and chained by trail, and verify', async () => {
    const trail = auditTrail({ store, signer });
    await trail.recordAll([entry('a', 'r-1'), entry('b', 'r-2'), ofOperator('a', 'r-3')]);
    await trail.record({ type: 'refusal', effect: 'deny', code: 'token_missing', requestId: 'r-4', latencyMs: 0 });
    await trail.checkpoint();
    expect(await store.trails()).toEqual(['operators', 'system', 'tenant:a', 'tenant:b']);
    const records = (await texts(store.records())).map((text) => parseRecord(text)!);
    expect(records.map(({ trail: name, seq }) => `${name} ${String(seq)}`).sort()).toEqual([
      'operators 1',
      'system 1',
      'tenant:a 1',
      'tenant:a 2',
      'tenant:b 1',
    ]);
    for (const name of await store.trails()) {
      const { seq, checkpoint } = await store.state(name);
      expect(checkpoint.seq).toBe(seq);
    }
    expect(await intact(store)).toEqual([]);
  });

  it('keep any text, without secrets', async () => {
    const trail = auditTrail({ store, signer });
    const name = 'x\u2028y\0z\ud800 "\\\n é 😀 {"checkpoint":';
    await trail.record({
      ...entry('a', 'r-1'),
      name,
      arguments: { clientSecret: 's3cr3t', ['__proto__']: 1, n: 1e21 },
    });
    const [text = ''] = await texts(store.records());
    expect(JSON.parse(parseRecord(text)!.entry)).toMatchObject({
      name: name.replace('\0', '\uFFFD').replace('\ud800', '\uFFFD'),
    });
    expect(text).not.toContain('s3cr3t');
    await trail.record({ ...entry('a', '\u6f22'.repeat(5000)), name: '\u6f22'.repeat(5000) });
    await trail.checkpoint();
    expect(await intact(store)).toEqual([]);
  });

  it('append all records of a step or none', async () => {
    const time = '2026-01-01T00:00:00.000Z';
    const text = '{"byOperator":true,"tenant":"a","type":"decision"}';
    const known = new Map([['operators', { seq: 1, hash: 'x' }]]);
    const both = { trails: ['tenant:a', 'operators'], text };
    expect(await store.append({ entries: [both], time, known })).toEqual({
      before: new Map([
        ['tenant:a', { seq: 0, hash: null }],
        ['operators', { seq: 0, hash: null }],
      ]),
      after: undefined,
    });
    expect(await texts(store.records())).toEqual([]);

    const { after } = await store.append({ entries: [both, both], time, known: new Map() });
    const records = (await texts(store.records())).map((line) => parseRecord(line)!);
    expect(records.map(({ trail, seq }) => [trail, seq])).toEqual(
      expect.arrayContaining([
        ['tenant:a', 1],
        ['operators', 1],
        ['tenant:a', 2],
        ['operators', 2],
      ]),
    );
    expect(records.every((record) => record.hash === hashOf(record))).toBe(true);
    const last = records.filter(({ seq }) => seq === 2);
    expect(after).toEqual(new Map(last.map(({ trail, seq, hash }) => [trail, { seq, hash }])));
    // Where it was last seen, and nowhere else.
    const other = new Map([['tenant:a', { seq: 2, hash: records[0]!.hash }]]);
    expect((await store.append({ entries: [both], time, known: other })).after).toBeUndefined();
    expect((await store.append({ entries: [both], time, known: after! })).after).toBeDefined();
    expect((await store.append({ entries: [both], time, known: after! })).after).toBeDefined();
    await auditTrail({ store, signer }).checkpoint();
    expect(await intact(store)).toEqual([]);
  });

  it('stay one chain with many writers at once', async () => {
    const writers = Array.from({ length: 4 }, () => auditTrail({ store, signer, checkpointEvery: 20 }));
    await Promise.all(
      writers.flatMap((writer, which) =>
        Array.from({ length: 30 }, (_none, index) =>
          writer.record(
            index % 3 === 0 ? ofOperator('a', `w${String(which)}`) : entry(index % 2 === 0 ? 'a' : 'b', 'r'),
          ),
        ),
      ),
    );
    await Promise.all(writers.map((writer) => writer.checkpoint()));
    const numbers = (await texts(store.records({ trail: 'tenant:a' }))).map((text) => parseRecord(text)!.seq);
    expect(numbers).toEqual(numbers.map((_seq, index) => index + 1));
    expect(await intact(store)).toEqual([]);
    expect((await texts(store.records())).length).toBe(4 * 30 + 4 * 10);
  });

  it('keep checkpoints only where they follow the last', async () => {
    await store.append({
      entries: [{ trails: ['tenant:a'], text: '{"tenant":"a","type":"decision"}' }],
      time: '2026-01-01T00:00:00.000Z',
      known: new Map(),
    });
    const { hash } = await store.state('tenant:a');
    const one = (n: number, previous: string | null) =>
      signCheckpoint(signer, {
        v: 1,
        kind: 'checkpoint',
        trail: 'tenant:a',
        n,
        seq: 1,
        hash: hash!,
        time: 't',
        previous,
      });
    const first = await one(1, null);
    expect(await store.putCheckpoints([await one(2, null)])).toBe(false);
    expect(await store.putCheckpoints([first])).toBe(true);
    expect(await store.putCheckpoints([first])).toBe(false);
    expect(await store.putCheckpoints([await one(2, hash)])).toBe(false);
    expect(await store.putCheckpoints([await one(2, first.digest)])).toBe(true);
    expect((await texts(store.checkpoints('tenant:a'))).map((jws) => readCheckpoint(jws)?.n)).toEqual([1, 2]);
  });

  it('sign a trail after so many records, and publish what was signed', async () => {
    const published: string[] = [];
    const trail = auditTrail({
      store,
      signer,
      checkpointEvery: 5,
      anchor: (checkpoints) => {
        published.push(...checkpoints.map(({ trail: name }) => name));
        return Promise.resolve();
      },
    });
    for (let index = 0; index < 12; index++) await trail.record(entry('a', 'r'));
    await expect.poll(async () => (await store.state('tenant:a')).checkpoint.seq).toBeGreaterThan(4);
    await trail.checkpoint();
    expect((await store.state('tenant:a')).checkpoint.seq).toBe(12);
    expect(published).toContain('tenant:a');
    expect(published.at(-1)).toBe('*');
  });

  it('answer questions by trail, actor, time, effect, type, method, name and request, page by page, both ways', async () => {
    let now = Date.parse('2026-01-01T00:00:00.000Z');
    const trail = auditTrail({ store, signer, clock: () => (now += 1000) });
    for (let index = 0; index < 10; index++)
      await trail.record(
        entry(index % 2 === 0 ? 'a' : 'b', `${'xyz'[index % 3] ?? ''}-${String(index)}`, index > 7 ? 'deny' : 'allow'),
      );
    const ids = async (query: Partial<Parameters<TrailStore['find']>[0]>): Promise<string> =>
      (await store.find({ trails: 'all', order: 'oldest', limit: 100, ...query }))
        .map(({ entry: text }) => (JSON.parse(text) as { requestId: string }).requestId.slice(2))
        .join('');
    expect(await ids({})).toBe('0123456789');
    expect(await ids({ order: 'newest', limit: 3 })).toBe('987');
    expect(await ids({ trails: ['tenant:b'] })).toBe('13579');
    expect(await ids({ trails: [] })).toBe('');
    expect(await ids({ actor: 'test#y' })).toBe('147');
    expect(await ids({ effect: 'deny' })).toBe('89');
    expect(await ids({ type: 'outcome' })).toBe('');
    expect(await ids({ method: 'tools/call', name: 'note_read', requestId: 'x-3' })).toBe('3');
    expect(await ids({ name: "' OR true --" })).toBe('');
    const [third] = (await store.find({ trails: 'all', order: 'oldest', limit: 3 })).slice(-1);
    expect(await ids({ from: Date.parse(third!.time) })).toBe('23456789');
    expect(await ids({ to: Date.parse(third!.time) })).toBe('01');
    expect(await ids({ after: third!, limit: 2 })).toBe('34');
    expect(await ids({ after: third!, order: 'newest' })).toBe('10');
  });
});

describe('trails in PostgreSQL', () => {
  it('are made by several at once, and once', async () => {
    const name = `audit_${String(++schemas)}`;
    await Promise.all(Array.from({ length: 3 }, () => postgresTrails(pool, { schema: name }).migrate()));
    const { rows } = await pool.query(`SELECT step FROM ${name}.migrations`);
    expect(rows).toEqual([{ step: 1 }, { step: 2 }]);
  });

  it('are changed and deleted by nobody: not by the role that writes, and not by their owner by mistake', async () => {
    await pool.query('CREATE ROLE gate LOGIN; CREATE ROLE auditor LOGIN');
    const name = `audit_${String(++schemas)}`;
    const store = postgresTrails(pool, { schema: name });
    await store.migrate({ writer: 'gate', reader: 'auditor' });
    const gate = new pg.Pool({ connectionString: server.url('postgres', 'gate') });
    const auditor = new pg.Pool({ connectionString: server.url('postgres', 'auditor') });
    try {
      const trail = auditTrail({ store: postgresTrails(gate, { schema: name }), signer });
      await trail.record(entry('a', 'r-1'));
      await trail.checkpoint();
      const attempts = [
        `UPDATE ${name}.records SET hash = 'x'`,
        `DELETE FROM ${name}.records`,
        `TRUNCATE ${name}.records`,
        `UPDATE ${name}.checkpoints SET jws = 'x'`,
        `DELETE FROM ${name}.checkpoints`,
        `DELETE FROM ${name}.heads`,
        `UPDATE ${name}.heads SET seq = 0`,
      ];
      for (const attempt of attempts)
        for (const who of [gate, auditor, pool])
          await expect(who.query(attempt), attempt).rejects.toMatchObject({ code: '42501' });
      await expect(
        gate.query(`BEGIN; SET LOCAL portcullis.retention = 'on'; DELETE FROM ${name}.records; COMMIT`),
      ).rejects.toMatchObject({ code: '42501' });
      await expect(auditor.query(`INSERT INTO ${name}.heads VALUES ('x')`)).rejects.toMatchObject({ code: '42501' });
      expect(await intact(postgresTrails(auditor, { schema: name }))).toEqual([]);
    } finally {
      await Promise.all([gate.end(), auditor.end()]);
    }
  });

  it('that were tampered with by a superuser are found out', async () => {
    const name = `audit_${String(++schemas)}`;
    const store = postgresTrails(pool, { schema: name });
    await store.migrate();
    const trail = auditTrail({ store, signer });
    for (let index = 0; index < 5; index++) await trail.record(entry('a', `r-${String(index)}`));
    await trail.checkpoint();
    const client = await pool.connect();
    try {
      await client.query('SET session_replication_role = replica');
      await client.query(`UPDATE ${name}.records SET entry = replace(entry, 'allow', 'deny') WHERE seq = 2`);
      await client.query(`DELETE FROM ${name}.records WHERE seq = 4`);
    } finally {
      client.release(true);
    }
    expect(await intact(store)).toMatchObject([
      { kind: 'edited', trail: 'tenant:a', seq: 2 },
      { kind: 'removed', trail: 'tenant:a', seq: 4 },
    ]);
  });

  it('that go back under a running process are not continued', async () => {
    const name = `audit_${String(++schemas)}`;
    const store = postgresTrails(pool, { schema: name });
    await store.migrate();
    const trail = auditTrail({ store, signer });
    for (let index = 0; index < 3; index++) await trail.record(entry('a', 'r'));
    const client = await pool.connect();
    await client.query('SET session_replication_role = replica');
    const { rows } = await client.query<{ hash: string }>(`SELECT hash FROM ${name}.records WHERE seq = 2`);
    await client.query(`DELETE FROM ${name}.records WHERE seq = 3`);
    await client.query(`UPDATE ${name}.heads SET seq = 2, hash = $1`, [rows[0]!.hash]);
    client.release(true);
    await expect(trail.record(entry('a', 'r'))).rejects.toMatchObject({ code: 'audit_unavailable' });
    await expect(trail.checkpoint()).rejects.toMatchObject({ code: 'audit_unavailable' });
    await auditTrail({ store, signer }).record(entry('a', 'r'));
  });

  it('fail within the deadline while a row is locked, and keep nothing', async () => {
    const name = `audit_${String(++schemas)}`;
    const store = postgresTrails(pool, { schema: name, timeoutMs: 300 });
    await store.migrate();
    const trail = auditTrail({ store, signer });
    await trail.record(entry('a', 'r-1'));
    const client = await pool.connect();
    await client.query(`BEGIN; SELECT 1 FROM ${name}.heads FOR UPDATE`);
    await expect(trail.record(entry('a', 'r-2'))).rejects.toMatchObject({ code: 'audit_unavailable' });
    await client.query('ROLLBACK');
    client.release();
    await trail.record(entry('a', 'r-3'));
    expect((await texts(store.records())).length).toBe(2);
  });
});
