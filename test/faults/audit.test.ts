import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  auditTrail,
  buffered,
  checkpointSigner,
  fileTrails,
  generateCheckpointKey,
  readTrailFile,
  verifyTrail,
  type AuditEntry,
  type AuditSink,
  type CheckpointSigner,
  type TrailStore,
} from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';

const key = await generateCheckpointKey();
let signer: CheckpointSigner;
beforeAll(async () => {
  signer = await checkpointSigner(key);
});

/** Some entries are in two trails. */
const entry = (requestId: string, number: number): AuditEntry =>
  number % 5 === 0
    ? {
        ...{ type: 'operator_access', effect: 'allow', requestId, tenant: 'acme', latencyMs: 0 },
        ...{ storage: 'keyv', reason: 'ticket', expiresAt: '2026-01-01T00:00:00.000Z' },
      }
    : {
        type: 'refusal',
        effect: 'deny',
        code: 'denied',
        requestId,
        tenant: number % 2 === 0 ? 'acme' : 'globex',
        latencyMs: 0,
      };

interface Contents {
  readonly byTrail: ReadonlyMap<string, ReadonlySet<string>>;
  readonly all: ReadonlySet<string>;
}
async function contentsOf(store: Pick<TrailStore, 'records'>): Promise<Contents> {
  const byTrail = new Map<string, Set<string>>();
  const all = new Set<string>();
  for await (const text of store.records()) {
    const { trail, entry: said } = JSON.parse(text) as { trail: string; entry: { requestId: string } };
    byTrail.set(trail, (byTrail.get(trail) ?? new Set()).add(said.requestId));
    all.add(said.requestId);
  }
  return { byTrail, all };
}
/** What operators did is in the tenant's trail and in theirs. */
function expectAtomic({ byTrail }: Contents): void {
  const operators = byTrail.get('operators') ?? new Set();
  const acme = byTrail.get('tenant:acme') ?? new Set();
  expect([...operators].filter((id) => !acme.has(id))).toEqual([]);
  const both = [...acme].filter((id) => Number(id.split('-')[1]) % 5 === 0);
  expect(both.filter((id) => !operators.has(id))).toEqual([]);
}
const findings = async (store: Pick<TrailStore, 'records' | 'checkpoints'>) =>
  (await verifyTrail({ records: store.records(), checkpoints: store.checkpoints(), keys: [signer.publicKey] }))
    .findings;

describe('PostgreSQL that is killed', () => {
  let server: PostgresServer;
  const pools: pg.Pool[] = [];
  beforeAll(async () => {
    // As in production: what is acknowledged is on the disk.
    server = await startPostgres({ settings: { fsync: 'on' } });
  });
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end().catch(() => undefined)));
    await server.stop();
  });
  const replica = (): { store: ReturnType<typeof postgresTrails>; audit: AuditSink } => {
    const pool = new pg.Pool({ connectionString: server.url(), max: 4, connectionTimeoutMillis: 1000 });
    pool.on('error', () => undefined);
    pools.push(pool);
    const store = postgresTrails(pool, { timeoutMs: 2000 });
    const trail = auditTrail({ store, signer, checkpointEvery: 50, onError: () => undefined });
    return { store, audit: buffered(trail, { maxEntries: 200, whenFull: 'block', timeoutMs: 3000 }) };
  };

  it('loses nothing that was acknowledged, denies meanwhile, and goes on when it is back; two replicas keep one chain', async () => {
    const replicas = [replica(), replica()];
    const { store } = replicas[0]!;
    await store.migrate();
    const acknowledged = new Set<string>();
    const codes = new Set<unknown>();
    let going = true;
    let number = 0;
    const writer = async ({ audit }: { audit: AuditSink }): Promise<void> => {
      while (going) {
        const id = `r-${String(number)}`;
        try {
          await audit.record(entry(id, number++));
          acknowledged.add(id);
        } catch (error) {
          codes.add((error as { code?: unknown }).code);
        }
      }
    };
    const writers = replicas.flatMap((one) => Array.from({ length: 10 }, () => writer(one)));
    const until = async (count: number): Promise<void> => {
      while (acknowledged.size < count) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until(200);
    await server.kill();
    await expect.poll(() => codes.size, { timeout: 10_000 }).toBeGreaterThan(0);
    const atKill = acknowledged.size;
    await server.restart();
    await until(atKill + 200);
    going = false;
    await Promise.all(writers);
    // Nothing but "it cannot be written" was ever said.
    expect([...codes]).toEqual(['audit_unavailable']);
    for (const { audit } of replicas) await audit.close();
    const contents = await contentsOf(store);
    expect([...acknowledged].filter((id) => !contents.all.has(id))).toEqual([]);
    expectAtomic(contents);
    expect(await findings(store)).toEqual([]);
  });
});

describe('a process that is killed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-faults-'));
  const trails = join(folder, 'trails');
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** Records as fast as it can, and says what was acknowledged. */
  function startWriter(round: number): ChildProcess {
    const program = `
      import { auditTrail, buffered, checkpointSigner, fileTrails } from '@portcullis/audit';
      import { writeSync } from 'node:fs';
      const signer = await checkpointSigner(${JSON.stringify(key)});
      const store = await fileTrails({ folder: ${JSON.stringify(trails)}, onRepair: () => undefined });
      const audit = buffered(auditTrail({ store, signer, checkpointEvery: 20 }), { maxEntries: 100, whenFull: 'block', timeoutMs: 5000 });
      let number = 0;
      const entry = ${entry.toString()};
      const writer = async () => {
        for (;;) {
          const id = '${String(round)}-' + number;
          await audit.record(entry(id, number++));
          writeSync(1, id + '\\n');
        }
      };
      await Promise.all(Array.from({ length: 8 }, writer));
    `;
    const file = join(
      import.meta.dirname,
      '..',
      '..',
      '.tmp',
      `audit-writer-${String(process.pid)}-${String(round)}.mts`,
    );
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, program);
    const child = spawn(
      process.execPath,
      ['--conditions=@portcullis/source', '--import', import.meta.resolve('tsx'), file],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    child.once('exit', () => rmSync(file, { force: true }));
    return child;
  }

  it('loses nothing that was acknowledged, whenever it dies, and the next one goes on', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const child = startWriter(round);
      let text = '';
      const enough = new Promise<void>((resolve, reject) => {
        child.stdout!.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.split('\n').length > 100 + 77 * round) resolve();
        });
        child.once('exit', () => reject(new Error('the writer ended by itself')));
      });
      await enough;
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.kill('SIGKILL');
      await ended;
      acknowledged.push(...text.split('\n').slice(0, -1));
    }
    const left = readTrailFile(trails);
    const contents = await contentsOf(left);
    expect(acknowledged.length).toBeGreaterThan(400);
    expect(acknowledged.filter((id) => !contents.all.has(id))).toEqual([]);
    const store = await fileTrails({ folder: trails, onRepair: () => undefined });
    expectAtomic(await contentsOf(store));
    const trail = auditTrail({ store, signer });
    await trail.record(entry('9-1', 1));
    await trail.checkpoint();
    expect(await findings(store)).toEqual([]);
    await trail.close();
  });
});
