import { describe, expect, it } from 'vitest';
import { fileMistakes } from './broken/files.js';
import { keyMistakes, keysSubject } from './broken/keys.js';
import { rlsMistakes } from './broken/rls-mistakes.js';
import { schemaMistakes } from './broken/schemas.js';
import { finding, seed } from './finding.js';
import {
  assertIsolated,
  isolationTraps,
  notBehavioural,
  type IsolationError,
  type IsolationSubject,
} from '@portcullis/testing/isolation';

const close = (): Promise<void> => Promise.resolve();
const broken = (name: string): IsolationSubject => keyMistakes.find(([is]) => is === name)![2]();
const find = (name: string): Promise<IsolationError> => finding({ subject: broken(name), close });

describe('the isolation kit', () => {
  it('has a broken adapter for every trap that it names', () => {
    const proven = new Set([
      ...[...keyMistakes, ...fileMistakes, ...rlsMistakes, ...schemaMistakes].map(([, trap]) => trap),
      // The source’s sketch of row-level security.
      'not_usable',
    ]);
    expect(Object.keys(isolationTraps).filter((trap) => !proven.has(trap))).toEqual([]);
  });

  it('gives a reason for what it cannot find', () => {
    expect(Object.keys(notBehavioural).length).toBeGreaterThan(5);
    expect(Object.keys(notBehavioural).filter((trap) => trap in isolationTraps)).toEqual([]);
  });

  it('shows the smallest example: ordinary tenants, one step', async () => {
    expect((await find('a cache that is keyed by the key alone')).counterexample).toEqual({
      tenants: ['acme', 'globex'],
      steps: ['acme: put "k" = acme#1'],
      seen: '`globex` reads "k" as acme#1',
      expected: 'nothing',
    });
  });

  it('shows odd tenant names where they are needed', async () => {
    const { counterexample } = await find('a prefix without regard to case');
    expect(counterexample.tenants).toEqual(['acme', 'Acme', 'ACME']);
    expect(counterexample.steps.length).toBeLessThanOrEqual(2);
  });

  it('shows odd keys where they are needed', async () => {
    const { counterexample, message } = await find('a copy whose source is not checked');
    expect(counterexample.steps.length).toBeLessThanOrEqual(6);
    expect(counterexample.steps).toContainEqual(expect.stringMatching(/: copy "\/[\w-]+\/k" to /));
    expect(message).toContain('key_escape');
    expect(message).toContain('replay:');
  });

  it('finds the same again by the replay that it printed', async () => {
    const first = await find('a clear that clears the store');
    const again = await finding(
      { subject: broken('a clear that clears the store'), close },
      { seed: 1, replay: first.replay },
    );
    expect(again.counterexample).toEqual(first.counterexample);
  });

  it('finds the same by the same seed', async () => {
    const name = 'a prefix that drops characters';
    expect((await find(name)).message).toBe((await find(name)).message);
  });

  it('leaves out an exception with its reason, and says so', async () => {
    const report = await assertIsolated(broken('contexts that anybody can write down'), {
      seed,
      operations: 100,
      exceptions: { forged_context: 'the edge checks them', operator_context: 'the edge checks them' },
    });
    expect(report.skipped).toMatchObject({ 'forged contexts': 'excepted: the edge checks them' });
    expect(report.exercised).not.toContain('forged contexts');
  });

  it('names the seed that it chose itself, and how far it is', async () => {
    const seen: number[] = [];
    const report = await assertIsolated(keysSubject('keys'), {
      operations: 100,
      onProgress: ({ operations }) => seen.push(operations),
    });
    expect(Number.isSafeInteger(report.seed)).toBe(true);
    expect(seen.at(-1)).toBe(report.operations);
  });

  it('uses the tenants that it is given', async () => {
    const report = await assertIsolated(keysSubject('keys'), {
      seed,
      operations: 100,
      tenants: ['one', 'two', 'three'],
    });
    expect([...report.tenants].sort()).toEqual(['one', 'three', 'two']);
  });

  it('empties the storage by the tenants themselves when there is no reset', async () => {
    const { reset: _reset, ...subject } = keysSubject('keys');
    await assertIsolated(subject, { seed, operations: 200 });
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(assertIsolated(keysSubject('keys'), { signal })).rejects.toThrow('enough');
  });

  it.each([
    ['operations', { operations: 0 }],
    ['at least two tenants', { tenants: ['one'] }],
    ['no scenario', { replay: { scenario: 'none', seed: 1, path: '' } }],
  ])('refuses options that cannot be meant: %s', async (message, options) => {
    await expect(assertIsolated(keysSubject('keys'), options)).rejects.toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(message) as string }) as Error,
    );
  });

  it('does not take a store that refuses everything for one that isolates', async () => {
    const subject: IsolationSubject = {
      name: 'shut',
      reset: () => Promise.resolve(),
      run: (_context, work) => {
        const refuse = (): Promise<never> => Promise.reject(new Error('no'));
        return work({ put: refuse, get: refuse, delete: refuse });
      },
    };
    expect((await finding({ subject, close })).trap).toBe('not_usable');
  });

  it('reports a unit of work that hangs', async () => {
    const { run, ...rest } = keysSubject('keys');
    const subject: IsolationSubject = {
      ...rest,
      run: (context, work, signal) =>
        run(context, (store) => work({ ...store, put: () => new Promise<never>(() => undefined) }), signal),
    };
    expect((await finding({ subject, close }, { stallMs: 50 })).trap).toBe('pool_starvation');
  });
});
