// npm run bench -- audit: how fast trails are written and verified.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  auditTrail,
  buffered,
  checkpointSigner,
  fileTrails,
  generateCheckpointKey,
  memoryTrails,
  verifyTrail,
} from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { startPostgres } from '@portcullis/testing/postgres';

const records = Number(process.env.BENCH_RECORDS ?? 50_000);
const concurrency = Number(process.env.BENCH_CONCURRENCY ?? 200);
const tenants = Number(process.env.BENCH_TENANTS ?? 100);
const signer = await checkpointSigner(await generateCheckpointKey());
const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));

const entry = (number) => ({
  type: 'decision',
  effect: 'allow',
  requestId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
  tenant: `tenant-${number % tenants}`,
  actor: { id: 'auth0#auth0|alice', provider: 'auth0', kind: 'user', client: 'agent-1', delegation: [] },
  method: 'tools/call',
  name: 'document_read',
  latencyMs: 1.234,
  decisions: [
    {
      effect: 'allow',
      action: 'read',
      resource: { kind: 'document', id: `doc-${number}` },
      policy: 'resource.document.vdefault',
      policyVersion: 'default',
      scope: 'tenant-1',
      engine: 'cerbos',
      callId: '01HZX3',
      durationMs: 0.4,
      obligations: [],
    },
  ],
});

/** Starts a measurement. By the clock, and by this process's own time on a processor, which other processes do not slow down. */
function start() {
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()];
  return (what, count) => {
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const rate = (time) =>
      Math.round(count / time)
        .toLocaleString('en')
        .padStart(8);
    console.log(`  ${what.padEnd(56)}${rate(seconds)} records/s${rate((user + system) / 1e6)} per processor second`);
  };
}

/** Callers that each wait for their record, as calls do. */
async function write(what, sink, count, callers) {
  let number = 0;
  const report = start();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (number < count) await sink.record(entry(number++));
    }),
  );
  report(what, count);
}

const options = { maxEntries: 10_000, whenFull: 'block', timeoutMs: 60_000 };
async function measure(name, open, alone) {
  console.log(`\n${name}, ${tenants} tenants`);
  const store = await open();
  const trail = auditTrail({ store, signer });
  await write(`${alone} records, one caller, each in a step of its own`, trail, alone, 1);
  const audit = buffered(trail, options);
  await write(`${records} records, ${concurrency} callers, buffered`, audit, records, concurrency);
  await audit.flush();
  await trail.checkpoint();
  const report = start();
  const result = await verifyTrail({
    records: store.records(),
    checkpoints: store.checkpoints(),
    keys: [signer.publicKey],
  });
  report(`verified: ${result.intact ? 'intact' : 'NOT INTACT'}, ${result.checkpoints} checkpoints`, result.records);
  await audit.close();
}

const server = await startPostgres({ settings: { fsync: 'on' } });
const pool = new pg.Pool({ connectionString: server.url(), max: 4 });
pool.on('error', () => undefined);
try {
  await measure('memory', () => memoryTrails(), 2000);
  await measure('file, synced', () => fileTrails({ folder: join(folder, 'synced') }), 500);
  await measure('file, not synced', () => fileTrails({ folder: join(folder, 'unsynced'), sync: false }), 2000);
  await measure(
    'PostgreSQL, synced',
    async () => {
      const store = postgresTrails(pool, { timeoutMs: 30_000 });
      await store.migrate();
      return store;
    },
    500,
  );
} finally {
  await pool.end();
  await server.stop();
  rmSync(folder, { recursive: true });
}
