import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AuditEntry } from '../entry.js';
import { verifyTrail } from '../verify/verify-trail.js';
import { auditTrail, type AuditTrail } from './audit-trail.js';
import type { Repair } from './file-journal.js';
import { fileTrails, readTrailFile } from './file-trails.js';
import { checkpointSigner, generateCheckpointKey } from './signer.js';

const signer = await checkpointSigner(await generateCheckpointKey());
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-trails-'));
  file = join(folder, 'trails.jsonl');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const entry: AuditEntry = {
  type: 'refusal',
  effect: 'deny',
  code: 'denied',
  requestId: 'r',
  tenant: 'acme',
  latencyMs: 0,
};
const access: AuditEntry = {
  ...{ type: 'operator_access', effect: 'allow', requestId: 'r', tenant: 'acme', latencyMs: 0 },
  ...{ storage: 'keyv', reason: 'ticket', expiresAt: '2026-01-01T00:00:00.000Z' },
};
const repairs: Repair[] = [];
async function open(): Promise<AuditTrail> {
  repairs.length = 0;
  return auditTrail({ store: await fileTrails({ folder, onRepair: (repair) => repairs.push(repair) }), signer });
}
const findings = async () => (await verifyTrail({ ...contents(), keys: [signer.publicKey] })).findings;
const contents = () => {
  const read = readTrailFile(folder);
  return { records: read.records(), checkpoints: read.checkpoints() };
};
const lines = (): string[] => readFileSync(file, 'utf8').trimEnd().split('\n');

/** Some places in two lines, and all near the line feeds. */
function* cuts(before: number, after: number, first: number): Generator<number> {
  for (let cut = before; cut <= after; cut++)
    if (cut % 97 === 0 || Math.abs(cut - before - first) < 3 || cut > after - 3 || cut < before + 3) yield cut;
}

describe('trails in a file', () => {
  it('are readable by their owner alone, and go on after a restart', async () => {
    const one = await open();
    await one.record(entry);
    await one.close();
    const other = await open();
    await other.recordAll([entry, access]);
    await other.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(repairs).toEqual([]);
    expect(await findings()).toEqual([]);
    expect(lines().filter((line) => line.includes('"trail":"tenant:acme"')).length).toBe(3);
  });

  it('whose last line is incomplete lose that, say so, and go on', async () => {
    const one = await open();
    await one.record(entry);
    await one.close();
    const whole = statSync(file).size;
    for (const torn of ['{"entry":{"type":"ref', '\0\0\0', lines()[0]!]) {
      appendFileSync(file, torn);
      const next = await open();
      expect(repairs).toEqual([{ file, bytes: Buffer.byteLength(torn) }]);
      expect(statSync(file).size).toBe(whole);
      await next.close();
    }
    expect(await findings()).toEqual([]);
  });

  it('have an entry of two trails in both or in neither, wherever a crash cuts', async () => {
    const one = await open();
    await one.record(entry);
    const before = statSync(file).size;
    await one.record(access);
    const after = statSync(file).size;
    const text = readFileSync(file);
    const first = text.subarray(before).indexOf('\n') + 1;
    await one.close();
    for (const cut of cuts(before, after, first)) {
      writeFileSync(file, text.subarray(0, cut));
      const next = await open();
      const there = lines().filter((line) => line.includes('operator_access')).length;
      expect(there).toBe(cut === after ? 2 : 0);
      await next.close();
      expect(await findings()).toEqual([]);
    }
  });

  it('with a line that is neither a record nor a checkpoint are not written to', async () => {
    await (await open()).close();
    writeFileSync(file, 'something else\n');
    await expect(open()).rejects.toMatchObject({
      code: 'config_invalid',
      detail: expect.stringContaining('line 1') as string,
    });
  });

  it('are written by one process: a second is refused, and whatever else writes there ends it', async () => {
    const one = await open();
    await expect(open()).rejects.toMatchObject({ code: 'config_invalid' });
    await one.record(entry);
    appendFileSync(file, 'somebody else\n');
    await expect(one.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
    truncateSync(file, 0);
    await expect(one.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
    await one.close().catch(() => undefined);
    await (await open()).close();
  });

  it('take over the lock of a process that is gone, and not that of one that lives', async () => {
    const lock = (value: object): void => writeFileSync(join(folder, 'lock'), JSON.stringify(value));
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    lock({ host: hostname(), pid, started: '1', id: 'x' });
    await (await open()).close();
    // The number was given to another process since.
    lock({ host: hostname(), pid: process.ppid, started: '1', id: 'x' });
    await (await open()).close();
    lock({ host: 'elsewhere', pid: 1, started: '1', id: 'x' });
    await expect(open()).rejects.toMatchObject({ code: 'config_invalid' });
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(join(folder, 'lock'), longAgo, longAgo);
    await (await open()).close();
  });

  it('are written in whole groups, in order', async () => {
    const trail = await open();
    await Promise.all(Array.from({ length: 200 }, () => trail.record(entry)));
    await trail.close();
    expect(await findings()).toEqual([]);
    expect(lines().filter((line) => line.startsWith('{"entry"')).length).toBe(200);
  });
});
