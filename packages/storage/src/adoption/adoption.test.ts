import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Keyv } from 'keyv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { adoptFolder } from './adopt-folder.js';
import { adoptKeys } from './adopt-keys.js';
import {
  adoption,
  type Adoption,
  type AdoptionEvent,
  type AdoptionOptions,
  type AdoptionProgress,
} from './adoption.js';
import type { AdoptionAction } from './adoption-step.js';
import type { AdoptionJournal } from './job/adoption-journal.js';
import { memoryAdoptionJournal } from './job/memory-adoption-journal.js';

const system = tenantId('system');
const refusal = (code: string, detail = ''): unknown =>
  expect.objectContaining({ code, detail: expect.stringContaining(detail) as unknown });

let all: string;
beforeAll(async () => {
  all = await mkdtemp(join(tmpdir(), 'portcullis-adoption-'));
});
afterAll(() => rm(all, { recursive: true, force: true }));

/** What a crash leaves. */
interface Durable {
  now: number;
  readonly stores: readonly Map<string, string>[];
  readonly root: string;
  readonly journal: AdoptionJournal;
}

async function durable(): Promise<Durable> {
  const root = await mkdtemp(join(all, 'root-'));
  await mkdir(join(root, 'folder'));
  await writeFile(join(root, 'folder', 'one'), '1');
  await writeFile(join(root, 'two'), '2');
  const stores = [0, 1].map(
    (index) =>
      new Map([['a', 'b/c'].map((key) => [`keyv:${key}`, JSON.stringify({ value: { key, index } })] as const)].flat()),
  );
  return { now: 1_000, stores, root, journal: memoryAdoptionJournal() };
}

class Crash extends Error {}

/** Ends the process at a moment: nothing works after. */
function crashingAt(moment: number): { readonly moments: () => number; readonly pass: () => void } {
  let count = 0;
  return {
    moments: () => count,
    pass() {
      if (++count >= moment) throw new Crash(`at moment ${String(moment)}`);
    },
  };
}

/** The same port, with a moment before and one after each of the named operations. */
function between<T extends object>(port: T, names: readonly string[], pass: () => void): T {
  return new Proxy(port, {
    get(target, name): unknown {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      const method = member.bind(target) as (...args: unknown[]) => unknown;
      if (typeof name !== 'string' || !names.includes(name)) return method;
      return async (...args: unknown[]): Promise<unknown> => {
        pass();
        const value = await method(...args);
        pass();
        return value;
      };
    },
  });
}

function over(held: Durable, pass: () => void = () => undefined, more: Partial<AdoptionOptions> = {}): Adoption {
  const keys = held.stores.map((store, index) =>
    adoptKeys(between(new Keyv({ store }), ['set', 'delete'], pass), { name: `keys-${String(index)}` }),
  );
  const steps = [...keys, adoptFolder(held.root)].map((step) => between(step, ['run', 'finish', 'undo'], pass));
  const journal: AdoptionJournal = {
    jobs: between(held.journal.jobs, ['write'], pass),
    ledger: (name) => between(held.journal.ledger(name), ['append', 'clear'], pass),
  };
  return adoption({ tenant: system, steps, journal, clock: () => held.now, ...more });
}

async function state({ stores, root }: Durable): Promise<unknown> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(root.length), entry.isFile() ? await readFile(path, 'utf8') : 'folder'];
  });
  return [stores.map((store) => Object.fromEntries([...store].sort())), (await Promise.all(files)).sort()];
}

async function taken(held: Durable, actions: readonly AdoptionAction[]): Promise<unknown> {
  for (const action of actions) await over(held)[action]();
  return state(held);
}

describe('an adoption', () => {
  it.each([
    [[], 'run'],
    [['run'], 'finish'],
    [['run'], 'undo'],
    [['run', 'finish'], 'undo'],
  ] as const)(
    'after %j, comes to the same end wherever %s crashes, and back',
    async (before, action) => {
      const start = await state(await durable());
      const end = await taken(await durable(), [...before, action]);
      for (let moment = 1; ; moment++) {
        for (const then of action === 'undo' ? ['undo'] : [action, 'undo']) {
          const held = await durable();
          await taken(held, before);
          const crash = crashingAt(moment);
          const crashing = over(held, crash.pass);
          const ended = await crashing[action]().then(
            () => undefined,
            (error: unknown) => error,
          );
          if (ended === undefined) {
            expect(moment).toBeGreaterThan(20);
            return;
          }
          // Its lease is not over: nobody else begins.
          if ((await held.journal.jobs.read(system)) !== undefined)
            await over(held)
              .run()
              .then(
                ({ steps }) => expect(steps).toEqual([]),
                (error: unknown) =>
                  expect(error).toMatchObject({ code: expect.stringMatching(/conflict|storage_refused/) as unknown }),
              );
          held.now += 100_000;
          const status = await over(held).status();
          if (then === 'undo' && (status === undefined || status.state === 'undone')) continue;
          await over(held)[then as AdoptionAction]();
          expect(await state(held)).toEqual(then === 'undo' ? start : end);
        }
      }
    },
    60_000,
  );

  it('takes its actions in their order alone', async () => {
    const held = await durable();
    const move = over(held);
    await expect(move.finish()).rejects.toEqual(refusal('storage_refused', 'not begun'));
    await expect(move.undo()).rejects.toEqual(refusal('storage_refused', 'not begun'));
    await move.run();
    expect((await move.run()).steps).toEqual([]);
    await move.finish();
    expect((await move.finish()).steps).toEqual([]);
    await expect(move.run()).rejects.toEqual(refusal('storage_refused', '`finished`'));
    await move.undo();
    await expect(move.undo()).rejects.toEqual(refusal('storage_refused', '`undone`'));
    await expect(move.finish()).rejects.toEqual(refusal('storage_refused', '`undone`'));
    expect((await move.run()).state).toBe('adopted');
  });

  it('is one worker’s at a time', async () => {
    const held = await durable();
    const blocked = deferred();
    const first = over(held, undefined, { record: () => blocked.promise }).run();
    await expect.poll(() => held.journal.jobs.read(system)).toBeDefined();
    await expect(over(held).undo()).rejects.toMatchObject({ code: 'conflict' });
    blocked.resolve(undefined);
    expect((await first).state).toBe('adopted');
  });

  it('takes no step that cannot be recorded', async () => {
    const held = await durable();
    const before = await state(held);
    const events: AdoptionEvent[] = [];
    const record = (event: AdoptionEvent): Promise<void> => {
      events.push(event);
      return events.length > 1 ? Promise.reject(new Error('the audit log is down')) : Promise.resolve();
    };
    const move = over(held, undefined, { record });
    await expect(move.run()).rejects.toThrow('the audit log is down');
    expect(events.map(({ action, step }) => [action, step])).toEqual([
      ['run', 'keys-0'],
      ['run', 'keys-1'],
    ]);
    const { stores } = held;
    expect([stores[0]?.size, stores[1]?.size]).toEqual([4, 2]);
    await over(held).undo();
    expect(await state(held)).toEqual(before);
  });

  it('says how far it is, and ends when it is told to', async () => {
    const held = await durable();
    const told: AdoptionProgress[] = [];
    const ending = new AbortController();
    const onProgress = (progress: AdoptionProgress): void => {
      told.push(progress);
      if (progress.step === 'keys-1' && progress.state === 'done') ending.abort(new Error('enough'));
    };
    await expect(over(held).run({ onProgress, signal: ending.signal })).rejects.toEqual(
      refusal('storage_unavailable', 'the caller went away'),
    );
    expect(told.map(({ step, index, of, state: at }) => `${step} ${String(index)}/${String(of)} ${at}`)).toEqual([
      'keys-0 1/3 started',
      'keys-0 1/3 working',
      'keys-0 1/3 done',
      'keys-1 2/3 started',
      'keys-1 2/3 working',
      'keys-1 2/3 done',
    ]);
    expect((await over(held).run()).steps.map(({ step }) => step)).toEqual(['files']);
    const gone = AbortSignal.abort(new Error('before it began'));
    await expect(over(held).finish({ signal: gone })).rejects.toEqual(refusal('storage_unavailable'));
  });

  it('does not go back without a step that it was begun with', async () => {
    const held = await durable();
    await over(held).run();
    const fewer = over(held, undefined, { steps: [adoptFolder(held.root)] });
    await expect(fewer.undo()).rejects.toEqual(refusal('storage_refused', '`keys-0`, `keys-1`'));
    expect((await over(held).status())?.state).toBe('adopted');
    await expect(fewer.dryRun({ action: 'finish' })).rejects.toEqual(refusal('storage_refused', '`keys-0`, `keys-1`'));
  });

  it('takes no step back before all of them can be taken, and can still go on', async () => {
    const held = await durable();
    await over(held).run();
    const after = await state(held);
    await writeFile(join(held.root, 'two'), 'written since');
    held.stores[0]?.set('keyv:both', JSON.stringify({ value: 1 }));
    held.stores[0]?.set('keyv:system/both', JSON.stringify({ value: 2 }));
    await expect(over(held).undo()).rejects.toEqual(refusal('storage_conflict', '`two`'));
    await rm(join(held.root, 'two'));
    await expect(over(held).undo()).rejects.toEqual(refusal('storage_conflict', '`both`'));
    held.stores[0]?.delete('keyv:both');
    held.stores[0]?.delete('keyv:system/both');
    expect(await state(held)).toEqual(after);
    expect((await over(held).finish()).state).toBe('finished');
  });

  it('changes nothing in a dry run, of any action', async () => {
    const held = await durable();
    const refusing = over(held, () => {
      throw new Crash('a dry run has written something');
    });
    expect((await refusing.dryRun()).steps.map(({ counts }) => counts)).toEqual([
      { toCopy: 2 },
      { toCopy: 2 },
      { toMove: 2 },
    ]);
    await over(held).run();
    expect((await refusing.dryRun({ action: 'finish' })).state).toBe('planned');
    expect((await refusing.dryRun({ action: 'undo' })).steps.map(({ step }) => step)).toEqual([
      'files',
      'keys-1',
      'keys-0',
    ]);
  });

  it('does not delete originals when the ledger of their copies is lost', async () => {
    const held = await durable();
    await over(held).run();
    await held.journal.ledger('keys-0').clear();
    await expect(over(held).finish()).rejects.toEqual(refusal('storage_refused', 'ledger is lost'));
    expect(held.stores[0]?.size).toBe(4);
  });

  it('takes a journal’s entry of something else for no adoption', async () => {
    const held = await durable();
    await held.journal.jobs.write(system, { tenant: 'system', job: {}, archives: [], lease: null }, 0);
    await expect(over(held).run()).rejects.toEqual(refusal('storage_unavailable', 'none of an adoption'));
  });

  it.each<[Partial<AdoptionOptions>, RegExp]>([
    [{ tenant: '../acme' as AdoptionOptions['tenant'] }, /tenant/],
    [{ steps: [] }, /steps/],
    [{ steps: [adoptFolder('/a'), adoptFolder('/b')] }, /steps/],
    [{ steps: [{ ...adoptFolder('/a'), name: 'No Name' }] }, /No Name/],
    [{ leaseMs: 0 }, /leaseMs/],
  ])('refuses the options %#', (options, why) => {
    const all: AdoptionOptions = { tenant: system, steps: [adoptFolder('/a')], journal: memoryAdoptionJournal() };
    expect(() => adoption({ ...all, ...options })).toThrow(why);
  });
});

function deferred(): { readonly promise: Promise<undefined>; readonly resolve: (value: undefined) => void } {
  let resolve: (value: undefined) => void = () => undefined;
  const promise = new Promise<undefined>((settle) => (resolve = settle));
  return { promise, resolve };
}
