import { describe, expect, it } from 'vitest';
import { fileMistakes, filesFixture } from './broken/files.js';
import { keyMistakes, keysSubject } from './broken/keys.js';
import { finding, seed } from './finding.js';
import { assertIsolated } from '@portcullis/testing/isolation';

const close = (): Promise<void> => Promise.resolve();

describe('the isolation kit on keys', () => {
  it('finds nothing in a correct store, in as many operations as it was asked for', async () => {
    const report = await assertIsolated(keysSubject('keys'), { seed, operations: 4000 });
    expect(report.operations).toBeGreaterThanOrEqual(4000);
    expect(report.seed).toBe(seed);
  });

  it.each(keyMistakes)('finds %s', async (_name, trap, make) => {
    expect((await finding({ subject: make(), close })).trap).toBe(trap);
  });
});

describe('the isolation kit on files', () => {
  it('finds nothing in a correct folder', async () => {
    const fixture = await filesFixture();
    const report = await assertIsolated(fixture.subject, { seed, operations: 400 }).finally(fixture.close);
    expect(report.exercised).toContain('planted links');
  });

  it.each(fileMistakes.map((mistake) => [mistake[0], mistake] as const))('finds %s', async (_name, mistake) => {
    const [, trap, parts, options] = mistake;
    expect((await finding(filesFixture(parts), { only: [trap], ...options })).trap).toBe(trap);
  });
});
