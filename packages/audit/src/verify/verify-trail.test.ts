import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { contextFor } from '@portcullis/testing/contexts';
import { auditActor, type AuditEntry } from '../entry.js';
import { auditTrail } from '../trail/audit-trail.js';
import { readCheckpoint, signCheckpoint, type CheckpointPayload } from '../trail/checkpoint.js';
import { memoryTrails } from '../trail/memory-trails.js';
import { nextRecord, parseRecord, recordText, type ChainedRecord, type TrailHead } from '../trail/record.js';
import { checkpointSigner, generateCheckpointKey, type CheckpointSigner } from '../trail/signer.js';
import type { TrailReport } from './finding.js';
import { verifyTrail, type VerifyOptions } from './verify-trail.js';

let signer: CheckpointSigner;
let stranger: CheckpointSigner;
beforeAll(async () => {
  signer = await checkpointSigner(await generateCheckpointKey());
  stranger = await checkpointSigner(await generateCheckpointKey());
});

const decision = (tenant: string, requestId: string): AuditEntry => ({
  type: 'decision',
  effect: 'allow',
  requestId,
  actor: auditActor(contextFor({ tenant })),
  tenant,
  method: 'tools/call',
  name: 'note_read',
  latencyMs: 1,
  decisions: [],
});
const access = (tenant: string, requestId: string): AuditEntry => ({
  ...decision(tenant, requestId),
  type: 'operator_access',
  effect: 'allow',
  tenant,
  storage: 'keyv',
  reason: 'ticket 1',
  expiresAt: '2026-01-01T00:00:00.000Z',
});

/** What is done in a generated history: entries by tenant, operators' entries, and checkpoints. */
type Step = 'a' | 'b' | 'operator' | 'system' | 'checkpoint';

async function history(steps: readonly Step[]): Promise<string[]> {
  const store = await memoryTrails();
  const trail = auditTrail({ store, signer });
  let id = 0;
  for (const step of steps) {
    const requestId = `r-${String(id++)}`;
    if (step === 'checkpoint') await trail.checkpoint();
    else if (step === 'operator') await trail.record(access('a', requestId));
    else if (step === 'system')
      await trail.record({ type: 'refusal', effect: 'deny', code: 'token_missing', requestId, latencyMs: 0 });
    else await trail.record(decision(step, requestId));
  }
  await trail.close();
  return store.lines;
}

const isCheckpoint = (line: string): boolean => line.startsWith('{"checkpoint":');
const jwsOf = (line: string): string => (JSON.parse(line) as { checkpoint: string }).checkpoint;
const verify = (lines: readonly string[], more: Partial<VerifyOptions> = {}): Promise<TrailReport> =>
  verifyTrail({
    records: lines.filter((line) => !isCheckpoint(line)),
    checkpoints: lines.filter(isCheckpoint).map(jwsOf),
    keys: [signer.publicKey],
    ...more,
  });
const kinds = ({ findings }: TrailReport): readonly string[] => findings.map(({ kind }) => kind);

/** Where the records of one trail stand. */
const placesOf = (lines: readonly string[], trail: string): readonly number[] =>
  lines.flatMap((line, at) => (!isCheckpoint(line) && parseRecord(line)?.trail === trail ? [at] : []));
const edited = (record: ChainedRecord): ChainedRecord => ({
  ...record,
  entry: record.entry.replace(/"requestId":"r-/, '"requestId":"x-'),
});
const rehashed = (record: ChainedRecord, head: TrailHead): ChainedRecord =>
  nextRecord(record.trail, head, record.time, record.entry);

/** Everything of a trail from one record on, written anew with a chain that is sound. */
function rebuilt(lines: readonly string[], trail: string, from: number, more: ChainedRecord[] = []): string[] {
  const result = [...lines];
  const places = placesOf(lines, trail);
  let head: TrailHead = from === 0 ? { seq: 0, hash: null } : parseRecord(lines[places[from - 1]!]!)!;
  const queue = [...more, ...places.slice(from).map((at) => parseRecord(lines[at]!)!)];
  const texts = queue.map((record, index) => {
    head = rehashed(index === 0 && more.length === 0 ? edited(record) : record, head);
    return recordText(head as ChainedRecord);
  });
  places.slice(from).forEach((at, index) => (result[at] = texts[index]!));
  return [...result, ...texts.slice(places.length - from)];
}

type Mutation = (lines: readonly string[], trail: string, pick: number) => string[] | Promise<string[]>;
const at = (places: readonly number[], pick: number): number => places[pick % places.length]!;
const replaced = (lines: readonly string[], place: number, text: string): string[] => lines.with(place, text);
const checkpointPlaces = (lines: readonly string[]): readonly number[] =>
  lines.flatMap((line, place) => (isCheckpoint(line) ? [place] : []));
/** The last line of a history is the last checkpoint over all trails: behind it nothing is signed. */
const lastSigned = (lines: readonly string[]): readonly number[] => checkpointPlaces(lines).slice(0, -1);

const mutations: Readonly<Record<string, Mutation>> = {
  'a record is edited': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    return replaced(lines, place, recordText(edited(parseRecord(lines[place]!)!)));
  },
  'a record is edited and hashed anew': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    const record = parseRecord(lines[place]!)!;
    return replaced(lines, place, recordText(rehashed(edited(record), { seq: record.seq - 1, hash: record.prev })));
  },
  'a record’s time is changed': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    return replaced(lines, place, recordText({ ...parseRecord(lines[place]!)!, time: '2020-01-01T00:00:00.000Z' }));
  },
  'a record gets a second member of a name': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    return replaced(lines, place, lines[place]!.replace('{"entry":', '{"entry":{"type":"forged"},"entry":'));
  },
  'a record is removed': (lines, trail, pick) => lines.toSpliced(at(placesOf(lines, trail), pick), 1),
  'the end is cut off': (lines, trail, pick) => {
    const places = placesOf(lines, trail);
    const gone = new Set(places.slice(-1 - (pick % places.length)));
    return lines.filter((_line, place) => !gone.has(place));
  },
  'a record is removed and the rest chained anew': (lines, trail, pick) => {
    const places = placesOf(lines, trail);
    const index = pick % places.length;
    const without = lines.toSpliced(places[index]!, 1);
    return index === places.length - 1 ? without : rebuilt(without, trail, index);
  },
  'a whole trail is removed': (lines, trail) =>
    lines.filter((line) =>
      isCheckpoint(line) ? readCheckpoint(jwsOf(line))?.trail !== trail : parseRecord(line)?.trail !== trail,
    ),
  'a record is repeated': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    return lines.toSpliced(place, 0, lines[place]!);
  },
  'a record is inserted, and the rest chained anew': (lines, trail, pick) => {
    const places = placesOf(lines, trail);
    const record = parseRecord(lines[places[0]!]!)!;
    return rebuilt(lines, trail, pick % places.length, [edited(record)]);
  },
  'two records change places': (lines, trail, pick) => {
    const places = placesOf(lines, trail);
    if (places.length < 2) return lines.toSpliced(places[0]!, 1);
    const one = at(places.slice(1), pick);
    const other = places[places.indexOf(one) - 1]!;
    return lines.with(one, lines[other]!).with(other, lines[one]!);
  },
  'a record is edited and everything behind it chained anew': (lines, trail, pick) =>
    rebuilt(lines, trail, pick % placesOf(lines, trail).length),
  'a record is moved to another tenant’s trail': (lines, trail, pick) => {
    const place = at(placesOf(lines, trail), pick);
    const target = trail === 'tenant:a' ? 'tenant:b' : 'tenant:a';
    const last = placesOf(lines, target).at(-1);
    const head = last === undefined ? { seq: 0, hash: null } : parseRecord(lines[last]!)!;
    const moved = nextRecord(target, head, parseRecord(lines[place]!)!.time, parseRecord(lines[place]!)!.entry);
    return [...lines.toSpliced(place, 1), recordText(moved)];
  },
  'a checkpoint is removed': (lines, _trail, pick) => lines.toSpliced(at(lastSigned(lines), pick), 1),
  'a checkpoint is repeated': (lines, _trail, pick) => {
    const place = at(checkpointPlaces(lines), pick);
    return lines.toSpliced(place, 0, lines[place]!);
  },
  'a checkpoint is signed with another key': async (lines, _trail, pick) => {
    const place = at(checkpointPlaces(lines), pick);
    const payload = readCheckpoint(jwsOf(lines[place]!))!;
    const { jws } = await signCheckpoint(stranger, payload);
    return replaced(lines, place, JSON.stringify({ checkpoint: jws }));
  },
  'a checkpoint is signed with another key under the name of the first': async (lines, _trail, pick) => {
    const place = at(checkpointPlaces(lines), pick);
    const payload = readCheckpoint(jwsOf(lines[place]!))!;
    const [, body, signature] = (await signCheckpoint(stranger, payload)).jws.split('.');
    const [header] = jwsOf(lines[place]!).split('.');
    return replaced(lines, place, JSON.stringify({ checkpoint: [header, body, signature].join('.') }));
  },
  'a checkpoint says something else': (lines, _trail, pick) => {
    const place = at(checkpointPlaces(lines), pick);
    const [header, body, signature] = jwsOf(lines[place]!).split('.') as [string, string, string];
    const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as CheckpointPayload;
    const changed = Buffer.from(JSON.stringify({ ...payload, time: '2020' })).toString('base64url');
    return replaced(lines, place, JSON.stringify({ checkpoint: [header, changed, signature].join('.') }));
  },
};

const steps = fc.array(fc.constantFrom<Step>('a', 'b', 'operator', 'system', 'checkpoint'), {
  minLength: 3,
  maxLength: 25,
});

describe('the verification of trails', () => {
  it('finds nothing in a trail that nobody touched', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (some) => {
        const lines = await history(some);
        const report = await verify(lines);
        expect(report.findings).toEqual([]);
        expect(report.intact).toBe(true);
        expect(report.records).toBe(
          some.filter((step) => step !== 'checkpoint').length + some.filter((step) => step === 'operator').length,
        );
        for (const { last, signedTo } of report.trails) expect(signedTo).toBe(last);
      }),
      { numRuns: 40 },
    );
  });

  it.each(Object.entries(mutations))('finds out that %s', async (_name, mutate) => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), fc.nat(), async (some, which, pick) => {
        const lines = await history([...some, 'a']);
        const trails = [...new Set(lines.flatMap((line) => parseRecord(line)?.trail ?? []))];
        const changed = await mutate(lines, trails[which % trails.length]!, pick);
        expect(changed).not.toEqual(lines);
        const report = await verify(changed);
        expect(report.intact).toBe(false);
        expect(report.findingCount).toBeGreaterThan(0);
      }),
      { numRuns: 40 },
    );
  });

  it('says what and where, and goes on', async () => {
    const lines = await history(['a', 'a', 'a', 'a', 'a', 'b', 'b', 'b']);
    const [, second, , fourth] = placesOf(lines, 'tenant:a');
    const other = placesOf(lines, 'tenant:b')[0]!;
    const changed = lines
      .with(second!, recordText(edited(parseRecord(lines[second!]!)!)))
      .toSpliced(other, 1)
      .toSpliced(fourth!, 1);
    expect((await verify(changed)).findings).toMatchObject([
      { kind: 'edited', trail: 'tenant:a', seq: 2 },
      { kind: 'removed', trail: 'tenant:a', seq: 4, to: 4 },
      { kind: 'removed', trail: 'tenant:b', seq: 1, to: 1 },
    ]);
  });

  it('does not notice what is cut off behind the last checkpoint, unless that was published or the store still says where it ended', async () => {
    const lines = await history(['a', 'a', 'checkpoint', 'a', 'a']);
    const early = lines.slice(0, 4);
    const published = lines.filter(isCheckpoint).map(jwsOf);
    expect((await verify(early)).intact).toBe(true);
    expect(kinds(await verify(early, { anchors: published }))).toContain('checkpoint_removed');
    expect((await verify(early, { heads: new Map([['tenant:a', 4]]) })).findings).toMatchObject([
      { kind: 'truncated', trail: 'tenant:a', seq: 3, to: 4 },
    ]);
    expect((await verify(lines, { anchors: published, heads: new Map([['tenant:a', 4]]) })).intact).toBe(true);
    expect(kinds(await verify([], { anchors: published }))).toContain('trail_removed');
  });

  it('notices a trail that was signed anew from some point by somebody who has the key, by what was published', async () => {
    const lines = await history(['a', 'a', 'a']);
    const again = await history(['a', 'a', 'a']);
    const published = lines.filter(isCheckpoint).map(jwsOf);
    expect((await verify(again)).intact).toBe(true);
    expect(kinds(await verify(again, { anchors: published }))).toContain('checkpoint_replaced');
  });

  it('trusts former keys that it is given, and needs one', async () => {
    const lines = await history(['a']);
    expect((await verify(lines, { keys: [stranger.publicKey, signer.publicKey] })).intact).toBe(true);
    expect(kinds(await verify(lines, { keys: [stranger.publicKey] }))).toContain('checkpoint_untrusted');
    await expect(verify(lines, { keys: [] })).rejects.toThrow(TypeError);
  });

  it('does not take another signed thing for a checkpoint', async () => {
    const lines = await history(['a', 'a']);
    const { CompactSign, generateKeyPair, exportJWK } = await import('jose');
    const pair = await generateKeyPair('EdDSA', { extractable: true });
    const { x = '' } = await exportJWK(pair.publicKey);
    const keys = [{ kty: 'OKP', crv: 'Ed25519', x, kid: 'k' } as const];
    const resigned = await Promise.all(
      lines.filter(isCheckpoint).map((line) => {
        const [, body = ''] = jwsOf(line).split('.');
        return new CompactSign(Buffer.from(body, 'base64url'))
          .setProtectedHeader({ alg: 'EdDSA', kid: 'k', typ: 'JWT' })
          .sign(pair.privateKey);
      }),
    );
    expect(kinds(await verify(lines, { keys, checkpoints: resigned }))).toEqual(
      resigned.map(() => 'checkpoint_forged'),
    );
  });

  it('lists as many findings as are wanted, and counts all', async () => {
    const lines = await history(Array.from({ length: 20 }, () => 'a' as const));
    const changed = lines.map((line) => (isCheckpoint(line) ? line : recordText(edited(parseRecord(line)!))));
    const report = await verify(changed, { maxFindings: 5 });
    expect([report.findings.length, report.findingCount]).toEqual([5, 20]);
  });
});
