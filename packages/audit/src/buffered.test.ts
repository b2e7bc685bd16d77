import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { buffered } from './buffered.js';
import type { AuditEntry } from './entry.js';
import type { AuditSink } from './sink.js';

const entry = (requestId: string): AuditEntry => ({
  type: 'refusal',
  effect: 'deny',
  code: 'token_missing',
  requestId,
  latencyMs: 0,
});

/** A sink that writes when it is told to. */
function heldSink() {
  const written: string[] = [];
  const groups: number[] = [];
  let held = true;
  let waiting: (() => void)[] = [];
  const open = (): void => {
    held = false;
    for (const go of waiting) go();
    waiting = [];
  };
  let failing = false;
  const sink: AuditSink & { closed: boolean } = {
    closed: false,
    record: (one) => sink.recordAll!([one]),
    async recordAll(entries) {
      groups.push(entries.length);
      if (held) await new Promise<void>((go) => waiting.push(go));
      if (failing) throw new PortcullisError('audit_unavailable');
      written.push(...entries.map(({ requestId }) => requestId));
    },
    flush: () => Promise.resolve(),
    close() {
      sink.closed = true;
      return Promise.resolve();
    },
  };
  return {
    sink,
    written,
    groups,
    open,
    hold: () => (held = true),
    fail: (yes: boolean) => (failing = yes),
  };
}

const outcome = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof PortcullisError ? error.code : String(error)),
  );

describe('a buffer before a sink', () => {
  it('resolves when the sink has the entry, and not before', async () => {
    const { sink, open, written } = heldSink();
    const audit = buffered(sink, { maxEntries: 10, whenFull: 'block', timeoutMs: 1000 });
    let done = false;
    const recording = audit.record(entry('a')).then(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(done).toBe(false);
    open();
    await recording;
    expect(written).toEqual(['a']);
    await audit.close();
  });

  it('writes what gathered in one step, in order', async () => {
    const { sink, open, written, groups } = heldSink();
    const audit = buffered(sink, { maxEntries: 100, whenFull: 'deny', timeoutMs: 1000, maxBatch: 30 });
    const all = Promise.all(Array.from({ length: 50 }, (_none, index) => audit.record(entry(String(index)))));
    open();
    await all;
    expect(written).toEqual(Array.from({ length: 50 }, (_none, index) => String(index)));
    expect(groups).toEqual([30, 20]);
    await audit.close();
  });

  it('that is full denies at once, where it was told to', async () => {
    const { sink, open, written } = heldSink();
    const audit = buffered(sink, { maxEntries: 3, whenFull: 'deny', timeoutMs: 1000 });
    const recorded = ['a', 'b', 'c'].map((id) => outcome(audit.record(entry(id))));
    expect(await outcome(audit.record(entry('d')))).toBe('audit_unavailable');
    open();
    expect(await Promise.all(recorded)).toEqual(['ok', 'ok', 'ok']);
    expect(await outcome(audit.record(entry('e')))).toBe('ok');
    expect(written).toEqual(['a', 'b', 'c', 'e']);
  });

  it('that is full lets callers wait, where it was told to, and denies when their time is over', async () => {
    const { sink, open, written } = heldSink();
    const audit = buffered(sink, { maxEntries: 1, whenFull: 'block', timeoutMs: 60 });
    expect(await Promise.all(['a', 'b', 'c'].map((id) => outcome(audit.record(entry(id)))))).toEqual([
      'audit_unavailable',
      'audit_unavailable',
      'audit_unavailable',
    ]);
    // What waited is not written any more: it was refused, and the call did not run.
    open();
    await audit.flush();
    expect(written).toEqual(['a']);
    expect(await Promise.all(['d', 'e'].map((id) => outcome(audit.record(entry(id)))))).toEqual(['ok', 'ok']);
  });

  it('tells everybody in a group that fails, and goes on with the next', async () => {
    const { sink, open, fail } = heldSink();
    const audit = buffered(sink, { maxEntries: 10, whenFull: 'block', timeoutMs: 1000 });
    fail(true);
    open();
    expect(await Promise.all(['a', 'b'].map((id) => outcome(audit.record(entry(id)))))).toEqual([
      'audit_unavailable',
      'audit_unavailable',
    ]);
    fail(false);
    expect(await outcome(audit.record(entry('c')))).toBe('ok');
  });

  it('writes all before it closes, and takes nothing after', async () => {
    const { sink, open, written } = heldSink();
    const audit = buffered(sink, { maxEntries: 10, whenFull: 'block', timeoutMs: 1000, maxBatch: 2 });
    const recorded = ['a', 'b', 'c', 'd', 'e'].map((id) => outcome(audit.record(entry(id))));
    const closed = audit.close();
    expect(await outcome(audit.record(entry('f')))).toBe('audit_unavailable');
    open();
    await closed;
    expect(await Promise.all(recorded)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(written.length).toBe(5);
    expect(sink.closed).toBe(true);
  });

  it('says how many it could not write when it closes', async () => {
    const { sink } = heldSink();
    const audit = buffered(sink, { maxEntries: 10, whenFull: 'block', timeoutMs: 50, maxBatch: 2 });
    const recorded = ['a', 'b', 'c'].map((id) => outcome(audit.record(entry(id))));
    await expect(audit.close()).rejects.toMatchObject({ detail: expect.stringContaining('not written') as string });
    expect(await Promise.all(recorded)).toEqual(['audit_unavailable', 'audit_unavailable', 'audit_unavailable']);
    expect(sink.closed).toBe(true);
  });

  it('loses nothing that it acknowledged and writes nothing twice, in whatever order things happen', async () => {
    const events = fc.array(fc.constantFrom('record', 'record', 'record', 'hold', 'open', 'fail', 'work'), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(
        events,
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom('block', 'deny'),
        async (some, maxEntries, whenFull) => {
          const held = heldSink();
          const audit = buffered(held.sink, { maxEntries, whenFull, timeoutMs: 5000, maxBatch: 3 });
          const recorded: Promise<readonly [string, string]>[] = [];
          for (const event of some) {
            if (event === 'record') {
              const id = String(recorded.length);
              recorded.push(outcome(audit.record(entry(id))).then((said) => [id, said] as const));
            } else if (event === 'hold') held.hold();
            else if (event === 'open') held.open();
            else held.fail(event === 'fail');
            if (recorded.length % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          held.open();
          await audit.close();
          const acknowledged = (await Promise.all(recorded)).filter(([, said]) => said === 'ok').map(([id]) => id);
          expect(held.written).toEqual(acknowledged);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses options out of range', () => {
    for (const wrong of [{ maxEntries: 0 }, { timeoutMs: 0 }, { maxBatch: 1.5 }])
      expect(() => buffered(heldSink().sink, { maxEntries: 1, whenFull: 'deny', timeoutMs: 1, ...wrong })).toThrow(
        expect.objectContaining({ code: 'config_invalid' }) as Error,
      );
  });
});
