import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryIdempotency } from './memory.js';
import type { IdempotencyKey } from './store.js';

interface Known {
  readonly key: IdempotencyKey;
  readonly claim: string;
  readonly isDone: boolean;
  readonly until: number;
}

const people = [
  { person: 'alice', scope: 'acme' },
  { person: 'bob', scope: 'acme' },
  { person: 'alice', scope: 'globex' },
  { person: 'eve', scope: 'eve' },
] as const;
const most = { maxPerPerson: 2, maxPerTenant: 3, maxEntries: 6 };

const step = fc.record({
  what: fc.constantFrom('begin', 'begin', 'begin', 'finish', 'renew', 'abandon', 'wait'),
  whose: fc.constantFrom(...people),
  id: fc.nat({ max: 4 }),
  claim: fc.constantFrom('1', '2'),
  ms: fc.nat({ max: 50 }),
});

describe('the room of a store in memory', () => {
  it('is refused to nobody but whose share is used up, or when all is, by what has not ended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        let now = 0;
        const store = memoryIdempotency({ ...most, clock: () => now });
        const known = new Map<string, Known>();
        for (const { what, whose, id, claim, ms } of steps) {
          const key = { ...whose, id: `${whose.scope} ${whose.person} ${String(id)}` };
          const live = [...known.values()].filter(({ until }) => now < until);
          const mine = live.find((each) => each.key.id === key.id);
          const holds = mine?.claim === claim;
          switch (what) {
            case 'begin': {
              const ofScope = live.filter((each) => each.key.scope === key.scope);
              const isFull =
                ofScope.filter((each) => each.key.person === key.person).length >= most.maxPerPerson ||
                ofScope.length >= most.maxPerTenant ||
                live.length >= most.maxEntries;
              const state = await store.begin(key, claim, 'f', ms).then(
                (answer) => answer.state,
                (error: unknown) => (error as { code: string }).code,
              );
              if (mine !== undefined) expect(state).toBe(mine.isDone ? 'done' : 'running');
              else {
                expect(state).toBe(isFull ? 'limit_exceeded' : 'claimed');
                if (!isFull) known.set(key.id, { key, claim, isDone: false, until: now + ms });
              }
              break;
            }
            case 'finish':
              await store.finish(key, claim, 'answer', ms);
              if (holds) known.set(key.id, { ...mine, isDone: true, until: now + ms });
              break;
            case 'renew':
              await store.renew(key, claim, ms);
              if (holds && !mine.isDone) known.set(key.id, { ...mine, until: now + ms });
              break;
            case 'abandon':
              await store.abandon(key, claim);
              if (holds) known.delete(key.id);
              break;
            case 'wait':
              now += ms;
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
