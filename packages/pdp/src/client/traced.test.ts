import { metrics, trace } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { ask, away, planOf, TestEngine } from './test-engine.js';
import { traced } from './traced.js';

describe('traces', () => {
  function telemetry(): {
    spans: unknown[];
    measured: unknown[];
    options: Parameters<typeof traced>[1];
    current: () => string | undefined;
  } {
    const spans: unknown[] = [];
    const measured: unknown[] = [];
    let current: string | undefined;
    return {
      spans,
      measured,
      current: () => current,
      options: {
        tracer: {
          startActiveSpan(name, { attributes }, run) {
            const span = { name, attributes: { ...attributes }, status: 0, ended: 0 };
            spans.push(span);
            current = name;
            try {
              return run({
                setAttributes: (more) => Object.assign(span.attributes, more),
                setStatus: ({ code }) => (span.status = code),
                end: () => span.ended++,
              });
            } finally {
              current = undefined;
            }
          },
        },
        meter: {
          createHistogram: (name) => ({ record: (value, attributes) => measured.push([name, value, attributes]) }),
        },
      },
    };
  }

  it('take the tracers and meters of @opentelemetry/api', async () => {
    const pdp = traced(new TestEngine(), { tracer: trace.getTracer('test'), meter: metrics.getMeter('test') });
    expect(await pdp.check(ask())).toHaveLength(1);
    expect(await pdp.plan(planOf)).toMatchObject({ outcome: 'always_denied' });
  });

  it('say how long it took and how many were denied, and nobody’s name', async () => {
    const { spans, measured, options, current } = telemetry();
    const engine = new TestEngine();
    let within: string | undefined;
    engine.before = () => (within = current());
    let now = 0;
    const pdp = traced(engine, { ...options, now: () => (now += 250) });
    await pdp.check(ask('alice', ['1', '2'], { requestId: 'r1' }));
    expect(within).toBe('portcullis.check');
    await pdp.plan(planOf);
    expect(spans).toMatchObject([
      {
        name: 'portcullis.check',
        attributes: {
          'portcullis.engine': 'test',
          'portcullis.scope': 'acme',
          'portcullis.resources': 2,
          'portcullis.actions': 4,
          'portcullis.denied': 2,
          'portcullis.request_id': 'r1',
        },
        status: 0,
        ended: 1,
      },
      { name: 'portcullis.plan', attributes: { 'portcullis.plan.outcome': 'always_denied' }, ended: 1 },
    ]);
    expect(measured).toEqual(
      ['check', 'plan'].map((operation) => [
        'portcullis.pdp.duration',
        0.25,
        { 'portcullis.engine': 'test', 'portcullis.operation': operation, 'portcullis.outcome': 'answered' },
      ]),
    );
    expect(JSON.stringify([spans, measured])).not.toContain('alice');
  });

  it('give a failure its code, and pass it on', async () => {
    const { spans, measured, options } = telemetry();
    const engine = new TestEngine();
    engine.before = away;
    await expect(traced(engine, options).check(ask())).rejects.toMatchObject({ detail: 'away' });
    expect(spans).toMatchObject([{ attributes: { 'error.type': 'pdp_unavailable' }, status: 2, ended: 1 }]);
    expect(measured).toEqual([
      [
        'portcullis.pdp.duration',
        expect.any(Number),
        expect.objectContaining({ 'portcullis.outcome': 'pdp_unavailable' }),
      ],
    ]);
  });

  it('that fail change nothing: the engine is asked once, and its answer stands', async () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    for (const tracer of [
      { startActiveSpan: broken },
      {
        startActiveSpan<T>(_name: string, _options: object, run: (span: never) => T): T {
          run({ setAttributes: broken, setStatus: broken, end: broken } as never);
          return broken();
        },
      },
    ]) {
      const engine = new TestEngine();
      const pdp = traced(engine, { tracer, meter: { createHistogram: () => ({ record: broken }) } });
      expect((await pdp.check(ask()))[0]?.[0]?.effect).toBe('allow');
      expect(engine.asked).toHaveLength(1);
      engine.before = away;
      await expect(pdp.check(ask())).rejects.toMatchObject({ detail: 'away' });
    }
  });

  it('that come late, twice or by promise ask nothing again, and leave no span open', async () => {
    type Run = (span: never) => unknown;
    let late: (() => unknown) | undefined;
    const ended: string[] = [];
    const span = (name: string): never =>
      ({ setAttributes: () => undefined, setStatus: () => undefined, end: () => ended.push(name) }) as never;
    for (const startActiveSpan of [
      (_name: string, _options: object, run: Run) => {
        late = () => run(span('late'));
      },
      (_name: string, _options: object, run: Run) => {
        run(span('first'));
        run(span('second'));
      },
      (_name: string, _options: object, run: Run) => {
        run(span('third'));
        return Promise.reject(new Error('broken'));
      },
    ]) {
      const engine = new TestEngine();
      const answer = traced(engine, { tracer: { startActiveSpan } as never }).check(ask());
      late?.();
      late = undefined;
      expect((await answer)[0]?.[0]?.effect).toBe('allow');
      expect(engine.asked).toHaveLength(1);
    }
    expect(ended).toEqual(['late', 'second', 'first', 'third']);
  });

  it('without a histogram change nothing', async () => {
    const createHistogram = (): never => {
      throw new Error('broken');
    };
    const pdp = traced(new TestEngine(), { meter: { createHistogram } });
    expect((await pdp.check(ask()))[0]?.[0]?.effect).toBe('allow');
  });
});
