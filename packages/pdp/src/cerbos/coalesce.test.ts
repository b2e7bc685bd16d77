import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenantId, type CheckRequest, type Decision } from '@portcullis/core';
import { coalescer, principalKey } from './coalesce.js';

const request = (id: string, questions = 1, attr: object = {}): CheckRequest => ({
  principal: { id, roles: ['member'], attr: attr as never },
  scope: 'acme',
  questions: Array.from({ length: questions }, (_none, index) => ({
    resource: { kind: 'doc', id: `${id}-${String(index)}`, tenant: tenantId('acme') },
    actions: ['read'],
  })),
});

describe('questions that share a request', () => {
  it('are those of one principal in one turn, and each caller gets its own answers', async () => {
    const asked: CheckRequest[] = [];
    const check = coalescer((combined) => {
      asked.push(combined);
      return Promise.resolve(combined.questions.map(({ resource }) => [{ resource } as unknown as Decision]));
    });
    const answers = await Promise.all([check(request('a', 2)), check(request('b')), check(request('a', 1))]);
    expect(asked.map(({ principal, questions }) => [principal.id, questions.length])).toEqual([
      ['a', 3],
      ['b', 1],
    ]);
    expect(answers.map((answer) => answer.map(([decision]) => decision?.resource.id))).toEqual([
      ['a-0', 'a-1'],
      ['b-0'],
      ['a-0'],
    ]);
  });

  it('fail together, and a caller that gives up takes nobody along', async () => {
    const failing = coalescer(() => Promise.reject(new Error('down')));
    await expect(Promise.all([failing(request('a')), failing(request('a'))])).rejects.toThrow('down');
    const check = coalescer((combined) => Promise.resolve(combined.questions.map(() => [])));
    const controller = new AbortController();
    const [given, kept] = [check(request('a'), { signal: controller.signal }), check(request('a'))];
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: 'pdp_unavailable' });
    expect(await kept).toEqual([[]]);
  });

  it('share a key only if the engine would see the same principal', () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const principal = fc.record({
      id: fc.string(),
      roles: fc.array(fc.string()),
      attr: fc.dictionary(fc.string(), value),
    });
    const question = fc.record({
      principal,
      scope: fc.string(),
      policyVersion: fc.option(fc.string(), { nil: undefined }),
    });
    fc.assert(
      fc.property(question, question, (one, two) => {
        const keyOf = (asked: typeof one): string =>
          principalKey({ ...asked, questions: [] } as unknown as CheckRequest);
        const same = canonical(one) === canonical(two);
        expect(keyOf(one) === keyOf(two)).toBe(same);
      }),
      { numRuns: 2000 },
    );
    expect(principalKey(request('a', 1, { x: [['a', 1]] }))).not.toBe(principalKey(request('a', 1, { x: { a: 1 } })));
  });
});

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
