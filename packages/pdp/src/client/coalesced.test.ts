import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { coalesced } from './coalesced.js';
import { refused } from '../unavailable.js';
import { ask, away, ids, portOf, TestEngine, type Answer, unavailable } from './test-engine.js';

describe('coalesced questions', () => {
  it('are those of one principal in one turn, and each caller gets the decisions at its own places', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const answers = await Promise.all([
      pdp.check(ask('a', ['1', '2'])),
      pdp.check(ask('b', ['3'])),
      pdp.check(ask('a', ['4'])),
    ]);
    expect(engine.asked.map(({ principal, questions }) => [principal.id, questions.length])).toEqual([
      ['a', 3],
      ['b', 1],
    ]);
    expect(answers.map(ids)).toEqual([['1', '2'], ['3'], ['4']]);
    await pdp.check(ask('a'));
    expect(engine.asked).toHaveLength(3);
  });

  it.each([
    ['another role', ask('a', ['2'], { roles: ['admin'] })],
    ['another scope', ask('a', ['2'], { scope: 'globex' })],
    ['another version', ask('a', ['2'], { policyVersion: 'next' })],
    ['another attribute', ask('a', ['2'], { principal: { id: 'a', roles: ['member'], attr: {} } })],
  ])('are not those of %s', async (_what, other) => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const [, second] = await Promise.all([pdp.check(ask('a')), pdp.check(other)]);
    expect(engine.asked).toHaveLength(2);
    expect(second[0]?.[0]).toMatchObject({
      scope: other.scope,
      effect: other.principal.roles.includes('member') ? 'allow' : 'deny',
    });
  });

  it('are what they were when they were asked, whatever a caller does to its objects afterwards', async () => {
    const pdp = coalesced(new TestEngine());
    const mine = { ...ask('a', ['1']), principal: { id: 'a', roles: ['guest'], attr: {} } };
    const first = pdp.check(mine);
    const second = pdp.check(structuredClone(mine));
    mine.principal.roles.push('member');
    (mine.questions as unknown[]).push(ask().questions[0]);
    expect((await Promise.all([first, second])).map((answer) => answer.map(([one]) => one?.effect))).toEqual([
      ['deny'],
      ['deny'],
    ]);
  });

  it('fail together when the engine is away, and alone when one of them is malformed', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    engine.before = away;
    const both = await Promise.allSettled([pdp.check(ask('a')), pdp.check(ask('a'))]);
    expect(both).toMatchObject([{ reason: unavailable }, { reason: unavailable }]);
    expect(engine.asked).toHaveLength(1);
    engine.before = ({ questions }) => {
      if (questions.some(({ resource }) => resource.id === 'bad')) throw new TypeError('bad');
    };
    const [good, bad] = await Promise.allSettled([pdp.check(ask('a')), pdp.check(ask('a', ['bad']))]);
    expect(good).toMatchObject({ status: 'fulfilled' });
    expect(bad).toMatchObject({ reason: new TypeError('bad') });
  });

  it('are asked alone, once, when the engine refuses one of them', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const controller = new AbortController();
    engine.before = ({ questions }) => {
      controller.abort();
      if (questions.some(({ resource }) => resource.id === 'bad')) throw refused('bad');
    };
    const settled = await Promise.allSettled([
      pdp.check(ask('a', ['1', '2'])),
      pdp.check(ask('a', ['bad'])),
      pdp.check(ask('a', ['3']), controller),
      pdp.check(ask('a', ['4'])),
    ]);
    expect(settled).toMatchObject([
      { status: 'fulfilled' },
      { reason: { ...unavailable, detail: 'bad' } },
      { reason: { ...unavailable, detail: 'the caller gave up' } },
      { status: 'fulfilled' },
    ]);
    expect(engine.asked.map(({ questions }) => questions.map(({ resource }) => resource.id))).toEqual([
      ['1', '2', 'bad', '3', '4'],
      ['1', '2'],
      ['bad'],
      ['4'],
    ]);
  });

  it('fail when the engine answers one decision too few, or another than was asked', async () => {
    const engine = new TestEngine();
    const pdp = coalesced({ ...portOf(engine), check: async (request) => (await engine.check(request)).slice(1) });
    await expect(Promise.all([pdp.check(ask('a', ['1'])), pdp.check(ask('a', ['2']))])).rejects.toMatchObject(
      unavailable,
    );
    const turned = coalesced({
      ...portOf(engine),
      check: async (request) => (await engine.check(request)).toReversed(),
    });
    await expect(Promise.all([turned.check(ask('a', ['1'])), turned.check(ask('a', ['2']))])).rejects.toMatchObject(
      unavailable,
    );
  });

  it('go on when one caller gives up, and are given up with the last', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const [one, two] = [new AbortController(), new AbortController()];
    let go: () => void = () => undefined;
    engine.before = () => new Promise<void>((resolve) => (go = resolve));
    const given = pdp.check(ask('a'), { signal: one.signal });
    const kept = pdp.check(ask('a', ['2']), { signal: two.signal });
    await turn();
    await turn();
    one.abort();
    await expect(given).rejects.toMatchObject(unavailable);
    expect(engine.signals[0]?.aborted).toBe(false);
    go();
    expect(ids(await kept)).toEqual(['2']);
    const late = pdp.check(ask('a'), { signal: two.signal });
    const later = pdp.check(ask('a', ['2']), { signal: two.signal });
    await turn();
    await turn();
    two.abort();
    await expect(late).rejects.toMatchObject(unavailable);
    await expect(later).rejects.toMatchObject(unavailable);
    expect(engine.signals[1]?.aborted).toBe(true);
  });

  it('are not asked for those who gave up before', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const controller = new AbortController();
    const given = [
      pdp.check(ask('a'), controller),
      pdp.check(ask('a', ['2']), controller),
      pdp.check(ask('b'), controller),
    ];
    const kept = pdp.check(ask('a', ['3']));
    controller.abort();
    for (const { status } of await Promise.allSettled(given)) expect(status).toBe('rejected');
    expect(ids(await kept)).toEqual(['3']);
    expect(engine.asked.flatMap(({ questions }) => questions.map(({ resource }) => resource.id))).toEqual(['3']);
  });

  it('carry a request id only if all have it, and are no more than may be', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine, { maxQuestions: 2 });
    const from = (requestId: string): Promise<Answer> => pdp.check(ask('a', ['1'], { requestId }));
    await Promise.all([from('r1'), from('r1'), from('r2'), from('r3'), from('r4')]);
    expect(engine.asked.map(({ questions, requestId }) => [questions.length, requestId])).toEqual([
      [2, 'r1'],
      [2, undefined],
      [1, 'r4'],
    ]);
    expect(() => coalesced(engine, { maxQuestions: 0 })).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });

  it('reject, and do not throw, when the engine throws at once', async () => {
    const pdp = coalesced({ ...portOf(new TestEngine()), check: away });
    const odd = ask('a', ['1'], { principal: { id: 'a', roles: [], attr: { at: new Date(0) as never } } });
    for (const one of [ask('a'), odd, ask('a', [])]) await expect(pdp.check(one)).rejects.toMatchObject(unavailable);
  });

  it('are not those that no engine can be told, nor those that a copy would change: these go alone, as they are', async () => {
    const engine = new TestEngine();
    engine.before = ({ questions }) => {
      if (questions.some(({ resource }) => !resource.id.isWellFormed())) away();
    };
    const pdp = coalesced(engine);
    const at = new URL('https://example.com');
    const [question] = ask('a', ['3']).questions;
    const odd = { ...question!, resource: { ...question!.resource, attr: { at: at as never } } };
    const settled = await Promise.allSettled([
      pdp.check(ask('a', ['1'])),
      pdp.check(ask('a', ['2'])),
      pdp.check(ask('a', ['\ud800'])),
      pdp.check(ask('a', [], { questions: [odd] })),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(engine.asked.map(({ questions }) => questions.length).sort()).toEqual([1, 1, 2]);
    const alone = engine.asked.find(({ questions }) => questions[0]?.resource.id === '3');
    expect(alone?.questions[0]?.resource.attr?.['at']).toBe(at);
  });

  it('leave no listener behind on a signal that lives longer', async () => {
    const engine = new TestEngine();
    const pdp = coalesced(engine);
    const { signal } = new AbortController();
    let during = 0;
    engine.before = () => (during = getEventListeners(signal, 'abort').length);
    await Promise.all([pdp.check(ask('a', ['1']), { signal }), pdp.check(ask('a', ['2']), { signal })]);
    expect([during > 2, getEventListeners(signal, 'abort')]).toEqual([true, []]);
  });
});
