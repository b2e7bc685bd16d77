import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import type { AuditEntry } from '../entry.js';
import { postgresTrails } from '../postgres.js';
import { verifyTrail } from '../verify/verify-trail.js';
import type { Finding } from '../verify/finding.js';
import { auditTrail, type AuditTrail } from './audit-trail.js';
import { exportBundle, verifyBundle, type ExportOptions } from './bundle.js';
import { fileTrails } from './file-trails.js';
import { memoryTrails } from './memory-trails.js';
import { parseRecord } from './record.js';
import { retain, type RetainOptions } from './retain.js';
import { checkpointSigner, generateCheckpointKey, type CheckpointSigner } from './signer.js';
import type { TrailStore } from './store.js';

const day = 86_400_000;
const start = Date.parse('2026-01-01T00:00:00.000Z');
let server: PostgresServer;
let pool: pg.Pool;
let signer: CheckpointSigner;
const folder = mkdtempSync(join(tmpdir(), 'portcullis-trails-'));
beforeAll(async () => {
  signer = await checkpointSigner(await generateCheckpointKey());
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url() });
  pool.on('error', () => undefined);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
  rmSync(folder, { recursive: true });
});

const entry = (tenant: string): AuditEntry => ({
  type: 'refusal',
  effect: 'deny',
  code: 'denied',
  requestId: 'r',
  tenant,
  latencyMs: 0,
});

/** A trail that is written on ten days: a record of each tenant in the morning, a checkpoint at night. */
async function tenDays(store: TrailStore): Promise<{ trail: AuditTrail; clock: () => number }> {
  let now = start;
  const clock = (): number => now;
  const trail = auditTrail({ store, signer, clock });
  for (let index = 0; index < 10; index++) {
    now = start + index * day;
    await trail.recordAll([entry('acme'), entry('acme'), entry('globex')]);
    now += day / 2;
    await trail.checkpoint();
  }
  now = start + 10 * day;
  return { trail, clock };
}
const found = async (store: TrailStore): Promise<readonly Finding[]> =>
  (await verifyTrail({ records: store.records(), checkpoints: store.checkpoints(), keys: [signer.publicKey] }))
    .findings;
const seqs = async (store: TrailStore, trail: string): Promise<readonly number[]> => {
  const all: number[] = [];
  for await (const text of store.records({ trail })) all.push(parseRecord(text)!.seq);
  return all;
};

let schemas = 0;
const stores: Readonly<Record<string, () => Promise<TrailStore>>> = {
  memory: () => memoryTrails(),
  file: () => fileTrails({ folder: join(folder, 'one') }),
  PostgreSQL: async () => {
    const store = postgresTrails(pool, { schema: `audit_${String(++schemas)}` });
    await store.migrate();
    return store;
  },
};

describe.each(Object.entries(stores))('retention in %s', (_name, open) => {
  it('removes what is older, visibly, and the rest verifies and goes on', async () => {
    const store = await open();
    const { trail, clock } = await tenDays(store);
    const options: RetainOptions = { store, signer, clock, olderThanMs: 5 * day, reason: 'six months, contract 7' };
    const planned = await retain({ ...options, dryRun: true });
    expect(planned).toEqual([
      { trail: 'tenant:acme', removed: 10, removedTo: 10 },
      { trail: 'tenant:globex', removed: 5, removedTo: 5 },
    ]);
    expect((await seqs(store, 'tenant:acme')).length).toBe(20);
    expect(await retain(options)).toEqual(planned);
    expect(await seqs(store, 'tenant:acme')).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(await found(store)).toEqual([]);
    expect(await retain(options)).toMatchObject([{ removed: 0 }, { removed: 0 }]);
    await trail.record(entry('acme'));
    await trail.checkpoint();
    expect(await retain({ ...options, olderThanMs: 2 * day })).toMatchObject([
      { removed: 6, removedTo: 16 },
      { removed: 3, removedTo: 8 },
    ]);
    const report = await verifyTrail({
      records: store.records(),
      checkpoints: store.checkpoints(),
      keys: [signer.publicKey],
    });
    expect(report.findings).toEqual([]);
    expect(report.trails[0]).toMatchObject({ trail: 'tenant:acme', removedTo: 16, first: 17, last: 21, signedTo: 21 });
    await trail.close();
  });
});

describe('retention', () => {
  it('keeps a trail for a time of its own, or for ever', async () => {
    const store = await memoryTrails();
    const { clock } = await tenDays(store);
    const perTrail = { 'tenant:acme': Infinity, 'tenant:globex': 8 * day };
    expect(await retain({ store, signer, clock, olderThanMs: 0, perTrail, reason: 'r' })).toEqual([
      { trail: 'tenant:acme', removed: 0, removedTo: 0 },
      { trail: 'tenant:globex', removed: 2, removedTo: 2 },
    ]);
  });

  it('may remove all there is, and the trail goes on behind it', async () => {
    const { rmSync: remove } = await import('node:fs');
    const path = join(folder, 'all');
    const store = await fileTrails({ folder: path });
    const { trail, clock } = await tenDays(store);
    await retain({ store, signer, clock, olderThanMs: 0, reason: 'the contract has ended' });
    expect(await seqs(store, 'tenant:acme')).toEqual([]);
    expect(await found(store)).toEqual([]);
    await trail.close();
    const again = await fileTrails({ folder: path });
    const next = auditTrail({ store: again, signer, clock });
    await next.record(entry('acme'));
    expect(await seqs(again, 'tenant:acme')).toEqual([21]);
    await next.checkpoint();
    expect(await found(again)).toEqual([]);
    await next.close();
    remove(path, { recursive: true });
  });

  it('does not remove what does not verify', async () => {
    const store = await memoryTrails();
    const { clock } = await tenDays(store);
    const at = store.lines.findIndex(
      (line) => parseRecord(line)?.trail === 'tenant:globex' && parseRecord(line)?.seq === 2,
    );
    store.lines[at] = store.lines[at]!.replace('"deny"', '"allow"');
    const results = await retain({ store, signer, clock, olderThanMs: 5 * day, reason: 'r' });
    expect(results).toMatchObject([
      { trail: 'tenant:acme', removed: 10 },
      { trail: 'tenant:globex', removed: 0, refused: [{ kind: 'edited', seq: 2 }] },
    ]);
  });

  it.each(['the record of the removal is taken away', 'more is taken away than is on record', 'it is somebody else’s'])(
    'is found out when %s',
    async (how) => {
      const store = await memoryTrails();
      const { trail, clock } = await tenDays(store);
      const stranger = await checkpointSigner(await generateCheckpointKey());
      const by = how.startsWith('it is') ? { signer: stranger, keys: [signer.publicKey] } : { signer };
      await retain({ store, ...by, clock, olderThanMs: 5 * day, reason: 'r' });
      const { lines } = store;
      if (how.startsWith('the record')) lines.splice(-2, 2);
      if (how.startsWith('more'))
        lines.splice(
          lines.findIndex((line) => parseRecord(line) !== undefined),
          1,
        );
      expect((await found(store)).length).toBeGreaterThan(0);
      await trail.close().catch(() => undefined);
    },
  );

  it('needs a reason and a time', async () => {
    const store = await memoryTrails();
    await expect(retain({ store, signer, olderThanMs: 1, reason: ' ' })).rejects.toThrow(TypeError);
    await expect(retain({ store, signer, olderThanMs: NaN, reason: 'r' })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });
});

describe('an export', () => {
  const bundle = async (options: Omit<ExportOptions, 'keys'>): Promise<string[]> => {
    const lines: string[] = [];
    for await (const line of exportBundle({ keys: [signer.publicKey], ...options })) lines.push(line);
    return lines;
  };
  const verified = (lines: readonly string[], options: Parameters<typeof verifyBundle>[1] = {}) =>
    verifyBundle(async function* () {
      for (const line of lines) yield await Promise.resolve(line);
    }, options);

  it('of a tenant holds nothing of another, also where a line is damaged', async () => {
    const store = await memoryTrails();
    await tenDays(store);
    const at = store.lines.findIndex((line) => parseRecord(line)?.trail === 'tenant:globex');
    store.lines[at] = (store.lines[at] ?? '').replace('{', '{ ');
    store.lines.push('{"checkpoint":"of globex, and none"}');
    expect((await bundle({ store, trails: ['tenant:acme'] })).join('')).not.toContain('globex');
    expect((await bundle({ store, trails: 'all' })).join('')).toContain('of globex, and none');
  });

  it('of everything, of a tenant, and of a period verifies by itself', async () => {
    const store = await memoryTrails();
    await tenDays(store);
    const period = { from: start + 3 * day, to: start + 6 * day };
    for (const [options, counts] of [
      [{ trails: 'all' }, [20, 10]],
      [{ trails: ['tenant:acme'] }, [20]],
      [{ trails: ['tenant:acme'], ...period }, [6]],
      [{ trails: 'all', ...period }, [6, 3]],
      [{ trails: ['tenant:acme'], from: period.from }, [14]],
      [{ trails: ['tenant:acme'], to: period.to }, [12]],
      [{ trails: ['tenant:acme'], from: start + 100 * day }, [0]],
    ] as const) {
      const lines = await bundle({ store, ...options });
      const report = await verified(lines, { requireSigned: true });
      expect(report.findings).toEqual([]);
      expect(report.trails.map(({ records }) => records)).toEqual(counts);
      expect(report).toMatchObject({ ownKeys: true, keyIds: [signer.publicKey.kid] });
    }
  });

  it('of one tenant says nothing of another', async () => {
    const store = await memoryTrails();
    await tenDays(store);
    const text = (await bundle({ store, trails: ['tenant:acme'] })).join('\n');
    const decoded = text.replaceAll(/"checkpoint":"[^.]+\.([^.]+)/g, (_all, body: string) =>
      Buffer.from(body, 'base64url').toString(),
    );
    expect(decoded).toContain('tenant:acme');
    expect(decoded).not.toContain('globex');
  });

  it('verifies behind what was removed, from any day to any day', async () => {
    const store = await memoryTrails();
    const { trail, clock } = await tenDays(store);
    await retain({ store, signer, clock, olderThanMs: 6 * day, reason: 'r' });
    await trail.record(entry('acme'));
    await trail.checkpoint();
    for (let from = 0; from < 10; from++)
      for (let to = from + 1; to <= 11; to++) {
        const lines = await bundle({ store, trails: ['tenant:acme'], from: start + from * day, to: start + to * day });
        expect((await verified(lines, { requireSigned: true })).findings, `${String(from)} to ${String(to)}`).toEqual(
          [],
        );
      }
    expect((await verified(await bundle({ store, trails: ['tenant:acme'] }))).findings).toEqual([]);
  });

  it('that was changed, cut or added to is found out', async () => {
    const store = await memoryTrails();
    await tenDays(store);
    const lines = await bundle({ store, trails: ['tenant:acme'], from: start + 3 * day, to: start + 6 * day });
    const records = lines.flatMap((line, at) => (parseRecord(line) === undefined ? [] : [at]));
    for (const at of records) {
      expect((await verified(lines.toSpliced(at, 1))).intact).toBe(false);
      expect((await verified(lines.with(at, lines[at]!.replace('"deny"', '"allow"')))).intact).toBe(false);
    }
    for (let at = 1; at < lines.length; at++) expect((await verified(lines.toSpliced(at, 1))).intact).toBe(false);
    expect((await verified(lines.slice(0, -3))).intact).toBe(false);
    const other = await bundle({ store, trails: ['tenant:globex'] });
    expect((await verified([...lines, ...other.filter((line) => parseRecord(line) !== undefined)])).intact).toBe(false);
    await expect(verified(['{}'])).rejects.toMatchObject({ code: 'request_invalid' });
    await expect(verified([])).rejects.toMatchObject({ code: 'request_invalid' });
  });

  it('says when it was verified with its own keys, and finds out that they are others than one’s own', async () => {
    const store = await memoryTrails();
    await tenDays(store);
    const lines = await bundle({ store, trails: ['tenant:acme'] });
    const stranger = await checkpointSigner(await generateCheckpointKey());
    expect(await verified(lines, { keys: [signer.publicKey] })).toMatchObject({ intact: true, ownKeys: false });
    expect((await verified(lines, { keys: [stranger.publicKey] })).intact).toBe(false);
  });
});
