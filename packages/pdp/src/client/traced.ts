import type { CallOptions, CheckRequest, Decision, Plan, PlanRequest, PolicyDecisionPoint } from '@portcullis/core';
import { PortcullisError } from '@portcullis/core';
import { tell } from './tell.js';

type TelemetryAttributes = Record<string, string | number | boolean>;

/** What is needed of OpenTelemetry's `Span`. */
interface DecisionSpan {
  setAttributes(attributes: TelemetryAttributes): unknown;
  setStatus(status: { code: 2; message?: string }): unknown;
  end(): void;
}

/** What is needed of OpenTelemetry's `Tracer`. */
export interface DecisionTracer {
  startActiveSpan<T>(name: string, options: { attributes?: TelemetryAttributes }, run: (span: DecisionSpan) => T): T;
}

/** What is needed of OpenTelemetry's `Meter`. */
export interface DecisionMeter {
  createHistogram(
    name: string,
    options: { description: string; unit: string; advice: { explicitBucketBoundaries: number[] } },
  ): { record(value: number, attributes?: TelemetryAttributes): void };
}

/** What `traced` may be told. */
export interface TracedOptions {
  /** A `Tracer` of `@opentelemetry/api`: `trace.getTracer('portcullis')`. Without it there are no spans. */
  readonly tracer?: DecisionTracer | undefined;
  /** A `Meter` of `@opentelemetry/api`: `metrics.getMeter('portcullis')`. Without it there are no histograms. */
  readonly meter?: DecisionMeter | undefined;
  /** A clock that never jumps, in milliseconds. @defaultValue `performance.now` */
  readonly now?: (() => number) | undefined;
}

/** OpenTelemetry's `SpanStatusCode.ERROR`: its package is nothing that one has to install. */
const statusError = 2;

/** From an in-process decision to the deadline of a remote one, in seconds. */
const boundaries = [
  0.000001, 0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];

/**
 * Makes a span and a measurement of each question.
 *
 * Spans are `portcullis.check` and `portcullis.plan`, with the engine, the scope, the request id, how many resources and
 * actions were asked about, and how many of them were denied; a failure has its code as `error.type`. The histogram is
 * `portcullis.pdp.duration`, in seconds, by engine, operation and outcome. Neither says who asked, nor about which
 * resource. The engine is asked within the span, so that spans of its client are below it. Telemetry that fails changes
 * nothing.
 *
 * @throws from `check` and `plan`, what the engine throws
 * @example
 * ```ts
 * import { metrics, trace } from '@opentelemetry/api';
 * import { traced } from '@portcullis/pdp/client';
 * import { cerbos } from '@portcullis/pdp/cerbos';
 *
 * const pdp = traced(cerbos('unix:/run/cerbos.sock'), {
 *   tracer: trace.getTracer('portcullis'),
 *   meter: metrics.getMeter('portcullis'),
 * });
 * await pdp.close();
 * ```
 */
export function traced(pdp: PolicyDecisionPoint, options: TracedOptions = {}): PolicyDecisionPoint {
  const { tracer, meter, now = () => performance.now() } = options;
  let durations: ReturnType<DecisionMeter['createHistogram']> | undefined;
  quietly(() => {
    durations = meter?.createHistogram('portcullis.pdp.duration', {
      description: 'how long a question to the policy decision point takes',
      unit: 's',
      advice: { explicitBucketBoundaries: boundaries },
    });
  });

  async function observed<T>(
    operation: 'check' | 'plan',
    attributes: TelemetryAttributes,
    ask: () => Promise<T>,
    describe: (answer: T) => TelemetryAttributes,
  ): Promise<T> {
    const startedAt = now();
    const { span, answer } = within(tracer, `portcullis.${operation}`, attributes, ask);
    const finish = (outcome: string, report: () => void): void => {
      const measured = {
        'portcullis.engine': pdp.engine,
        'portcullis.operation': operation,
        'portcullis.outcome': outcome,
      };
      quietly(() => durations?.record((now() - startedAt) / 1000, measured));
      quietly(report);
      quietly(() => span?.end());
    };
    try {
      const said = await answer;
      finish('answered', () => span?.setAttributes(describe(said)));
      return said;
    } catch (error) {
      const code = error instanceof PortcullisError ? error.code : 'unexpected';
      finish(code, () => {
        span?.setAttributes({ 'error.type': code });
        // The code and no message: a message may quote what was asked.
        span?.setStatus({ code: statusError, message: code });
      });
      throw error;
    }
  }

  return {
    engine: pdp.engine,
    prefersChecks: pdp.prefersChecks,
    check: (request: CheckRequest, own?: CallOptions) =>
      observed('check', aboutCheck(pdp, request), () => pdp.check(request, own), aboutDecisions),
    plan: (request: PlanRequest, own?: CallOptions) =>
      observed(
        'plan',
        aboutPlan(pdp, request),
        () => pdp.plan(request, own),
        ({ outcome }: Plan) => ({
          'portcullis.plan.outcome': outcome,
        }),
      ),
    close: () => pdp.close(),
  };
}

/** Asks exactly once, within a span if there can be one. */
function within<T>(
  tracer: DecisionTracer | undefined,
  name: string,
  attributes: TelemetryAttributes,
  ask: () => Promise<T>,
): { readonly span: DecisionSpan | undefined; readonly answer: Promise<T> } {
  let span: DecisionSpan | undefined;
  let answer: Promise<T> | undefined;
  quietly(() =>
    tracer?.startActiveSpan(name, { attributes }, (started) => {
      if (answer === undefined) {
        span = started;
        answer = asked(ask);
        return;
      }
      // A tracer that calls twice, or late: the question is out already.
      quietly(() => {
        started.end();
      });
    }),
  );
  answer ??= asked(ask);
  return { span, answer };
}

/** A function that throws at once fails like one that rejects. */
async function asked<T>(ask: () => Promise<T>): Promise<T> {
  return await ask();
}

/** At once. What cannot be told, by throwing or by rejecting, must not change what is decided. */
function quietly(report: () => unknown): void {
  tell(report, undefined);
}

function aboutCheck(pdp: PolicyDecisionPoint, { scope, requestId, questions }: CheckRequest): TelemetryAttributes {
  return {
    'portcullis.engine': pdp.engine,
    'portcullis.scope': scope,
    'portcullis.resources': questions.length,
    'portcullis.actions': questions.reduce((sum, { actions }) => sum + actions.length, 0),
    ...(requestId === undefined ? {} : { 'portcullis.request_id': requestId }),
  };
}

function aboutPlan(pdp: PolicyDecisionPoint, { scope, requestId, kind, action }: PlanRequest): TelemetryAttributes {
  return {
    'portcullis.engine': pdp.engine,
    'portcullis.scope': scope,
    'portcullis.kind': kind,
    'portcullis.action': action,
    ...(requestId === undefined ? {} : { 'portcullis.request_id': requestId }),
  };
}

function aboutDecisions(answer: readonly (readonly Decision[])[]): TelemetryAttributes {
  return { 'portcullis.denied': answer.flat().filter(({ effect }) => effect !== 'allow').length };
}
