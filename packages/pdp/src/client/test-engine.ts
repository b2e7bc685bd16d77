import {
  PortcullisError,
  tenantId,
  type CallOptions,
  type CheckRequest,
  type Decision,
  type PlanRequest,
  type PolicyDecisionPoint,
} from '@portcullis/core';

export type Answer = readonly (readonly Decision[])[];

/** Decides at once: `read` is allowed to whoever has the role `member`. Each test may put something before it. */
export class TestEngine implements PolicyDecisionPoint {
  readonly engine: string;
  readonly asked: CheckRequest[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  closed = 0;
  before: (request: CheckRequest) => unknown = () => undefined;
  decide: (decision: Decision) => Decision = (decision) => decision;

  constructor(engine = 'test') {
    this.engine = engine;
  }

  async check(request: CheckRequest, { signal }: CallOptions = {}): Promise<Answer> {
    this.asked.push(request);
    this.signals.push(signal);
    const callId = `${this.engine}-${String(this.asked.length)}`;
    await this.before(request);
    return request.questions.map(({ resource, actions }) =>
      actions.map((action) =>
        this.decide({
          effect: action === 'read' && request.principal.roles.includes('member') ? 'allow' : 'deny',
          action,
          resource: { kind: resource.kind, id: resource.id },
          policy: 'resource.doc.vdefault',
          policyVersion: request.policyVersion ?? 'default',
          scope: request.scope,
          outputs: [{ source: 'rule', action, value: resource.id }],
          obligations: [{ id: resource.id, type: 'mask', properties: { of: request.principal.id } }],
          callId,
          durationMs: 1,
          engine: this.engine,
        }),
      ),
    );
  }

  async plan({
    requestId = 'x',
  }: PlanRequest): Promise<{ callId: string; durationMs: number; engine: string; outcome: 'always_denied' }> {
    await this.before({} as CheckRequest);
    return { callId: requestId, durationMs: 1, engine: this.engine, outcome: 'always_denied' };
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** A question of somebody of `acme`: may they read and write these documents? */
export function ask(
  id = 'alice',
  ids: readonly string[] = ['1'],
  more: Partial<CheckRequest> & { roles?: string[] } = {},
): CheckRequest {
  const { roles = ['member'], ...rest } = more;
  return {
    principal: { id, roles, attr: { team: 'a' } },
    scope: 'acme',
    questions: ids.map((one) => ({
      resource: { kind: 'doc', id: one, tenant: tenantId('acme') },
      actions: ['read', 'write'],
    })),
    ...rest,
  };
}

export const planOf: PlanRequest = {
  principal: { id: 'alice', roles: [], attr: {} },
  scope: 'acme',
  kind: 'doc',
  action: 'read',
  tenant: tenantId('acme'),
};

/** Of what the answer is, row by row. */
export const ids = (answer: Answer): readonly (string | undefined)[] => answer.map(([first]) => first?.resource.id);
/** An engine that cannot be reached. */
export const away = (): never => {
  throw new PortcullisError('pdp_unavailable', undefined, { detail: 'away' });
};
/** One that hangs. */
export const never = (): Promise<never> => new Promise(() => undefined);
/** What a caller then hears. */
export const unavailable = { code: 'pdp_unavailable' };

/** The engine as a plain object, to be changed in parts. */
export function portOf(engine: TestEngine): PolicyDecisionPoint {
  return {
    engine: engine.engine,
    check: (request, options) => engine.check(request, options),
    plan: (request) => engine.plan(request),
    close: () => engine.close(),
  };
}
