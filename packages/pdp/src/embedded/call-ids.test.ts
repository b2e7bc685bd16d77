import { describe, expect, it } from 'vitest';
import { callIds } from './call-ids.js';

describe('ids of calls', () => {
  it('are all different, of one engine and of two', () => {
    const [one, two] = [callIds(), callIds()];
    const ids = Array.from({ length: 3000 }, () => [one(), two()]).flat();
    expect(new Set(ids).size).toBe(6000);
  });
});
