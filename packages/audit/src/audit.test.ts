import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextFor } from '@portcullis/testing/contexts';
import { recordedArguments } from './arguments.js';
import { auditLog } from './audit-log.js';
import { canonicalJson, digest } from './canonical.js';
import { auditActor, type AuditEntry } from './entry.js';
import { redact } from './redact.js';
import { allOf, memoryAudit } from './sink.js';

const entry: AuditEntry = {
  type: 'decision',
  effect: 'allow',
  requestId: 'r-1',
  actor: auditActor(contextFor({ actors: [{ subject: 'agent-2' }, { subject: 'agent-1' }] })),
  tenant: 'acme',
  method: 'tools/call',
  name: 'document_read',
  latencyMs: 1.5,
  decisions: [],
};
const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg';

describe('the audit log', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portcullis-audit-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const lines = (file: string): Record<string, unknown>[] =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('writes one JSON line a record, with who, agent and delegation chain, before it resolves', async () => {
    const file = join(folder, 'audit.jsonl');
    const log = auditLog({ destination: file });
    await log.record(entry);
    expect(lines(file)).toMatchObject([
      { ...entry, actor: { id: 'test#alice', client: 'test-client', delegation: ['agent-2', 'agent-1'] } },
    ]);
    expect(Date.parse(String(lines(file)[0]?.['time']))).toBeGreaterThan(0);
    await log.close();
    await expect(log.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  it('appends, and never truncates', async () => {
    const file = join(folder, 'audit.jsonl');
    writeFileSync(file, '{"old":true}\n');
    const log = auditLog({ destination: file });
    await Promise.all(Array.from({ length: 50 }, () => log.record(entry)));
    await log.close();
    expect(lines(file).length).toBe(51);
  });

  it.skipIf(!existsSync('/dev/full'))('rejects a record that a full disk does not take', async () => {
    const log = auditLog({ destination: openSync('/dev/full', 'w') });
    await expect(log.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
    await expect(log.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  it('rejects a record when the file was closed underneath it', async () => {
    const log = auditLog({ destination: 987_654 });
    await expect(log.record(entry)).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  it('does not start where it cannot write', () => {
    expect(() => auditLog({ destination: join(folder, 'no', 'such', 'folder') })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });

  it('lets no value make a line of its own, and no token in', async () => {
    const file = join(folder, 'audit.jsonl');
    const log = auditLog({ destination: file });
    await log.record({
      ...entry,
      name: 'x\n{"type":"decision","effect":"allow"}',
      reason: `because Bearer ${jwt} said so`,
    });
    expect(lines(file).length).toBe(1);
    expect(readFileSync(file, 'utf8')).not.toContain(jwt);
    await log.close();
  });
});

describe('redaction', () => {
  it.each([
    [{ password: 'x' }],
    [{ a: [{ client_secret: 'x' }] }],
    [{ Authorization: 'x' }],
    [{ note: `token ${jwt}` }],
    [{ note: 'Basic dXNlcjpwYXNzd29yZA==' }],
    [{ note: 'basic dXNlcj' }],
    [{ [jwt]: 1 }],
    [{ pem: '-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----' }],
  ])('takes the secret out of %j', (value) => {
    const text = JSON.stringify(redact(value));
    expect(text).toContain('[redacted]');
    expect(text).not.toMatch(/"x"|eyJhbGci|dXNlcj|nabc/);
  });

  it('knows a name again, and one that comes when no more are remembered', () => {
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`name-${String(index)}`, index]));
    expect(redact(many)).toEqual(many);
    for (let time = 0; time < 2; time++) {
      const text = JSON.stringify(redact({ password: 'x', late_secret: 'x', [jwt]: 1, id: 'kept' }));
      expect(text).toContain('"id":"kept"');
      expect(text).not.toMatch(/"x"|eyJhbGci/);
    }
  });

  it('leaves everything else as it is', () => {
    const value = { id: 'doc-1', tokens: 3, nested: [{ title: 'the bearer of news' }], none: null };
    expect(redact(value)).toEqual(value);
  });

  it('takes every token out of every text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        expect(JSON.stringify(redact({ text: `${before} ${jwt} ${after}` }))).not.toContain(jwt);
      }),
    );
  });
});

describe('what is recorded of arguments', () => {
  const args = { id: 'doc-1', password: 'p' };
  it('is what was configured', () => {
    expect(recordedArguments(args, 'none')).toBeUndefined();
    expect(recordedArguments(args, 'names')).toEqual(['id', 'password']);
    expect(recordedArguments(args, 'redacted')).toEqual({ id: 'doc-1', password: '[redacted]' });
    expect(recordedArguments(args, 'hash')).toEqual({ sha256: digest({ password: 'p', id: 'doc-1' }) });
  });
});

describe('canonical JSON', () => {
  it('is the same text for the same value, in any order, and for no other', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (one, two) => {
        const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
        expect(plain(JSON.parse(canonicalJson(one)))).toEqual(plain(one));
        const same = JSON.stringify(sortedJson(one)) === JSON.stringify(sortedJson(two));
        expect(canonicalJson(one) === canonicalJson(two)).toBe(same);
      }),
    );
  });

  it('refuses what JSON cannot say', () => {
    for (const value of [undefined, Number.NaN, () => 1, 1n, [undefined]])
      expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

function sortedJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sortedJson(member)]),
  );
}

describe('several sinks', () => {
  it('have a record only when all of them have it', async () => {
    const memory = memoryAudit();
    const broken = {
      record: () => Promise.reject(new Error('full')),
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    await allOf(memory, memory).record(entry);
    expect(memory.entries.length).toBe(2);
    await expect(allOf(memory, broken).record(entry)).rejects.toThrow('full');
  });
});
