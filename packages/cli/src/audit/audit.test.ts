import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  auditTrail,
  checkpointSigner,
  fileTrails,
  generateCheckpointKey,
  type AuditEntry,
  type PublishedCheckpoint,
  type TrailStore,
} from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { portcullis } from '../portcullis.js';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-cli-'));
const trails = join(folder, 'trails');
const keys = join(folder, 'keys.json');
const databaseKeys = join(folder, 'database-keys.json');
const anchors = join(folder, 'anchors.txt');
let server: PostgresServer;

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as it is written here, in a process of its own. */
function spawned(args: readonly string[]): Promise<Run> {
  const main = join(import.meta.dirname, '..', 'main.ts');
  const child = spawn(
    process.execPath,
    ['--conditions=@portcullis/source', '--import', import.meta.resolve('tsx'), main, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

/** The same in this process, which takes no second. */
async function run(args: readonly string[], database?: string): Promise<Run> {
  let [out, err] = ['', ''];
  vi.stubEnv('DATABASE_URL', database);
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((...all: unknown[]) => {
    out += String(all[0]);
    for (const done of all) if (typeof done === 'function') (done as () => void)();
    return true;
  });
  const told = vi.spyOn(console, 'error').mockImplementation((text: unknown) => (err += String(text)));
  try {
    return { code: await portcullis(args), out, err };
  } finally {
    written.mockRestore();
    told.mockRestore();
    vi.unstubAllEnvs();
  }
}

const entry = (tenant: string, requestId: string, effect: 'allow' | 'deny'): AuditEntry => ({
  ...{ type: 'decision', effect, requestId, tenant, latencyMs: 1, decisions: [], method: 'tools/call' },
  name: 'note\u001b[31m\u2028read',
  actor: { id: 'test#alice', provider: 'test', kind: 'user', delegation: [] },
});

async function fill(store: TrailStore): Promise<void> {
  const key = await generateCheckpointKey();
  const signer = await checkpointSigner(key);
  const published: PublishedCheckpoint[] = [];
  const anchor = (some: readonly PublishedCheckpoint[]): Promise<void> => {
    published.push(...some);
    return Promise.resolve();
  };
  const trail = auditTrail({ store, signer, anchor });
  for (let index = 0; index < 6; index++)
    await trail.record(
      entry(index % 2 === 0 ? 'acme' : 'globex', `r-${String(index)}`, index === 4 ? 'deny' : 'allow'),
    );
  await trail.close();
  writeFileSync(keys, JSON.stringify({ keys: [signer.publicKey] }));
  writeFileSync(anchors, published.map(({ jws }) => `${jws}\n`).join(''));
}

beforeAll(async () => {
  server = await startPostgres();
  const pool = new pg.Pool({ connectionString: server.url() });
  const store = postgresTrails(pool);
  await store.migrate();
  await fill(store);
  writeFileSync(databaseKeys, readFileSync(keys));
  await pool.end();
  await fill(await fileTrails({ folder: trails }));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

describe('portcullis audit verify', () => {
  it('ends with 0 where nothing was changed: a folder, a file, a database', async () => {
    const folderRun = await spawned([
      'audit',
      'verify',
      trails,
      '--keys',
      keys,
      '--anchors',
      anchors,
      '--require-signed',
    ]);
    expect(folderRun.out).toContain('tenant:acme: 3 records, 1 to 3\n');
    expect(folderRun.out).toMatch(/Intact: 6 records, \d+ checkpoints\.\n$/);
    expect(folderRun.out).not.toContain('\u001b');
    expect(folderRun.code).toBe(0);
    const file = await run(['audit', 'verify', join(trails, 'trails.jsonl'), '--keys', keys, '--json']);
    expect(JSON.parse(file.out)).toMatchObject({ intact: true, records: 6 });
    const database = await run(['audit', 'verify', '--keys', databaseKeys], server.url());
    expect([database.code, database.out]).toEqual([0, expect.stringContaining('Intact')]);
    const others = await run(['audit', 'verify', '--keys', keys], server.url());
    expect([others.code, others.out]).toEqual([1, expect.stringContaining('checkpoint_untrusted')]);
  });

  it('ends with 1 and says where, where something was', async () => {
    const text = readFileSync(join(trails, 'trails.jsonl'), 'utf8');
    const changed = join(folder, 'changed.jsonl');
    writeFileSync(changed, text.replace('"effect":"deny"', '"effect":"allow"'));
    const plain = await spawned(['audit', 'verify', changed, '--keys', keys]);
    expect(plain.out).toContain('edited tenant:acme 3: ');
    expect(plain.out).toContain('NOT intact: 1 findings');
    expect(plain.code).toBe(1);
    const json = await run(['audit', 'verify', changed, '--keys', keys, '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ findings: [{ kind: 'edited', trail: 'tenant:acme', seq: 3 }] });
  });

  it('finds what was cut off at the end by what was published', async () => {
    const empty = join(folder, 'empty.jsonl');
    writeFileSync(empty, '');
    expect((await run(['audit', 'verify', empty, '--keys', keys])).code).toBe(0);
    const anchored = await run(['audit', 'verify', empty, '--keys', keys, '--anchors', anchors]);
    expect([anchored.code, anchored.out]).toEqual([1, expect.stringContaining('trail_removed tenant:acme')]);
  });

  it('ends with 2 and says why where something cannot be read', async () => {
    const { code, out, err } = await spawned(['audit', 'verify', join(folder, 'nowhere'), '--keys', keys]);
    expect([code, out, err]).toEqual([2, '', expect.stringContaining('ENOENT')]);
  });

  it.each([
    [['audit', 'verify', trails], '--keys is needed'],
    [['audit', 'verify', '--keys', keys], 'DATABASE_URL'],
    [['audit', 'verify', folder, '--keys', keys], 'ENOENT'],
    [['audit', 'verify', trails, '--keys', join(trails, 'trails.jsonl')], 'no public Ed25519'],
    [['audit', 'verify', trails, '--wrong'], '--wrong'],
    [['audit', 'nothing'], 'no command `audit nothing`'],
    [['constructor', 'x'], 'no command'],
    [[], 'no command'],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, err } = await run(args);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });

  it('ends with 2 when the database does not answer', async () => {
    const { code, err } = await run(['audit', 'verify', '--keys', keys], 'postgresql://u@127.0.0.1:1/x');
    expect([code, err]).toEqual([2, expect.stringContaining('ECONNREFUSED')]);
  });

  it('has help', async () => {
    for (const args of [['--help'], ['audit', 'verify', '--help']]) {
      const { code, out } = await run(args);
      expect([code, out]).toEqual([0, expect.stringContaining('Exit codes')]);
    }
  });
});

describe('portcullis audit export', () => {
  it('writes a bundle of a tenant that verifies by itself', async () => {
    const bundle = join(folder, 'acme.jsonl');
    expect((await run(['audit', 'export', trails, '--keys', keys, '--tenant', 'acme', '--out', bundle])).code).toBe(0);
    const own = await run(['audit', 'verify', bundle]);
    expect([own.code, own.out]).toEqual([0, expect.stringContaining('compare their ids')]);
    const trusted = await run(['audit', 'verify', bundle, '--keys', keys]);
    expect([trusted.code, trusted.out]).toEqual([0, expect.not.stringContaining('compare their ids')]);
    expect((await run(['audit', 'verify', bundle, '--keys', databaseKeys])).code).toBe(1);
    expect(readFileSync(bundle, 'utf8')).not.toContain('globex');
    // What is there is not overwritten.
    expect((await run(['audit', 'export', trails, '--keys', keys, '--tenant', 'acme', '--out', bundle])).code).toBe(2);
  });

  it('writes to standard output', async () => {
    const { code, out } = await spawned(['audit', 'export', trails, '--keys', keys, '--all']);
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toContain('"bundle":"portcullis-audit"');
    expect(lines.at(-1)).toContain('"records":6');
  });

  it.each([[[]], [['--all', '--tenant', 'acme']], [['--tenant', 'nobody']], [['--all', '--from', 'yesterday']]])(
    'ends with 2 for %j',
    async (args) => {
      const { code, out } = await run(['audit', 'export', trails, '--keys', keys, ...args]);
      expect([code, out]).toEqual([2, '']);
    },
  );
});

describe('portcullis audit query', () => {
  it('shows what was asked for, one line each, without anything that moves the cursor', async () => {
    const some = await run(['audit', 'query', trails, '--tenant', 'acme', '--effect', 'deny']);
    expect(some.out.trimEnd().split('\n').length).toBe(1);
    expect(some.out).toMatch(/tenant:acme {2}decision {2}deny {2}test#alice {2}tools\/call {2}note\uFFFD\[31m/);
    const json = await run(['audit', 'query', trails, '--oldest', '--limit', '4', '--json']);
    const ids = json.out
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { entry: { requestId: string } }).entry.requestId);
    expect(ids).toEqual(['r-0', 'r-1', 'r-2', 'r-3']);
    const database = await run(['audit', 'query', '--actor', 'test#alice', '--request', 'r-1'], server.url());
    expect(database.out).toContain('tenant:globex');
  });

  it.each([[['--effect', 'maybe']], [['--limit', '0']], [['--from', 'x']]])('ends with 2 for %j', async (args) => {
    expect((await run(['audit', 'query', trails, ...args])).code).toBe(2);
  });
});
