import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf } from './batches.js';
import type { Evaluation } from './question.js';

const resource = fc.record({
  type: fc.constantFrom('document', 'tool'),
  id: fc.constantFrom('1', '2', '*'),
  properties: fc.record({ tenant: fc.constantFrom('acme', 'globex', 'initech') }),
});
const evaluation: fc.Arbitrary<Evaluation> = fc.record({
  action: fc.record({ name: fc.constantFrom('read', 'write') }),
  resource,
  question: fc.nat(5),
});

describe('batches', () => {
  it('have every evaluation once, and never two resources of one type and id', () => {
    fc.assert(
      fc.property(fc.array(evaluation, { maxLength: 40 }), fc.integer({ min: 1, max: 10 }), (evaluations, size) => {
        const batches = batchesOf(evaluations, size);
        const all = batches.flat();
        expect(all).toHaveLength(evaluations.length);
        expect(new Set(all)).toEqual(new Set(evaluations));
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(size);
          const named = new Set(batch.map((one) => JSON.stringify([one.resource.type, one.resource.id])));
          const said = new Set(batch.map((one) => JSON.stringify(one.resource)));
          expect(said.size).toBe(named.size);
        }
      }),
    );
  });

  it('are as few as they can be where no two resources share an id', () => {
    const evaluations = Array.from({ length: 25 }, (_, index) => ({
      action: { name: 'read' },
      resource: { type: 'tool', id: String(index) },
      question: index,
    }));
    expect(batchesOf(evaluations, 10).map((batch) => batch.length)).toEqual([10, 10, 5]);
  });
});
