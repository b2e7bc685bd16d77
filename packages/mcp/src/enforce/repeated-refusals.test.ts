import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RefusalEntry } from '@portcullis/audit';
import { RepeatedRefusals } from './repeated-refusals.js';

const refusal = (requestId: string, id = 'test#ann', tenant = 'acme'): RefusalEntry => ({
  type: 'refusal',
  effect: 'deny',
  code: 'rate_limited',
  requestId,
  tenant,
  actor: { id, provider: 'test', kind: 'user', delegation: [] },
  latencyMs: 1,
});

describe('what a caller is refused again and again', () => {
  let recorded: RefusalEntry[];
  let repeated: RepeatedRefusals;
  const seen = () => recorded.map(({ requestId, times }) => [requestId, times]);
  beforeEach(() => {
    vi.useFakeTimers();
    recorded = [];
    repeated = new RepeatedRefusals((entry) => {
      recorded.push(entry);
      return Promise.resolve();
    });
  });
  afterEach(() => vi.useRealTimers());

  it('is recorded at once, and then once a second with its number', async () => {
    await repeated.refused(refusal('r-1'));
    for (const id of ['r-2', 'r-3']) void repeated.refused(refusal(id));
    expect(seen()).toEqual([['r-1', undefined]]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen().slice(1)).toEqual([['r-3', 2]]);
    void repeated.refused(refusal('r-4'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen().slice(2)).toEqual([['r-4', 1]]);
    await vi.advanceTimersByTimeAsync(1000);
    await repeated.refused(refusal('r-5'));
    expect(seen().slice(3)).toEqual([['r-5', undefined]]);
  });

  it('is not mixed with what others are refused', async () => {
    await repeated.refused(refusal('r-1'));
    await repeated.refused(refusal('r-2', 'test#bob'));
    await repeated.refused(refusal('r-3', 'test#ann', 'globex'));
    await repeated.refused({ ...refusal('r-4'), code: 'quota_exceeded' });
    expect(seen().map(([id]) => id)).toEqual(['r-1', 'r-2', 'r-3', 'r-4']);
  });

  it('is recorded when the gate closes', async () => {
    await repeated.refused(refusal('r-1'));
    void repeated.refused(refusal('r-2'));
    await repeated.flush();
    await repeated.flush();
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen()).toEqual([
      ['r-1', undefined],
      ['r-2', 1],
    ]);
  });

  it('is gathered for a whole second again after what was gathered is recorded', async () => {
    await repeated.refused(refusal('r-1'));
    await vi.advanceTimersByTimeAsync(600);
    await repeated.flush();
    expect(vi.getTimerCount()).toBe(0);
    await repeated.refused(refusal('r-2'));
    void repeated.refused(refusal('r-3'));
    await vi.advanceTimersByTimeAsync(999);
    expect(seen()).toEqual([
      ['r-1', undefined],
      ['r-2', undefined],
    ]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen().slice(2)).toEqual([['r-3', 1]]);
  });

  it('makes the caller wait, and no more callers than there is room for', async () => {
    let answered = 0;
    const refused = async (id: string) => {
      await repeated.refused(refusal(id));
      answered++;
    };
    await refused('r-1');
    for (let at = 0; at < 1001; at++) void refused('r');
    await vi.advanceTimersByTimeAsync(199);
    expect(answered).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(answered).toBe(1002);
    void refused('r');
    await vi.advanceTimersByTimeAsync(199);
    expect(answered).toBe(1002);
  });

  it('is recorded one by one where too many are gathered', async () => {
    for (let at = 0; at < 10_001; at++) await repeated.refused(refusal('r', `test#${String(at)}`));
    await repeated.refused(refusal('r-last', 'test#10000'));
    expect(recorded).toHaveLength(10_002);
    void repeated.refused(refusal('r-gathered', 'test#1'));
    expect(recorded).toHaveLength(10_002);
  });
});
