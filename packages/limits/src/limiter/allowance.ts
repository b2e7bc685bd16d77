import { PortcullisError, type PlanDefaults, type TenantPlans } from '@portcullis/core';
import type { CallLimits, RequestLimits } from './limit-store.js';

/** The figures that hold for a tenant, by what they are asked for. Members that are absent limit nothing. */
export interface Allowance {
  readonly request: RequestLimits;
  readonly call: CallLimits;
  readonly maxSessionsPerUser?: number;
}

const ofRequests = ['requestsPerMinute', 'requestsPerDay', 'userRequestsPerMinute', 'userRequestsPerDay'] as const;
const ofCalls = ['concurrentCalls', 'userConcurrentCalls', 'callsPerMonth'] as const;

/** A figure that is no whole number is taken for 0: what is misread never frees a tenant of a limit. */
export function checkedLimits({ limits, quotas }: PlanDefaults): Allowance {
  const figures = { ...limits, ...quotas };
  const only = <Name extends keyof typeof figures>(names: readonly Name[]): Partial<Record<Name, number>> =>
    Object.fromEntries(
      names.flatMap((name) => {
        const figure = figures[name];
        return figure === undefined ? [] : [[name, isFigure(figure) ? figure : 0]];
      }),
    ) as Partial<Record<Name, number>>;
  return { request: only(ofRequests), call: only(ofCalls), ...only(['maxSessionsPerUser']) };
}

/** @throws PortcullisError `config_invalid`, naming the plan and the figure */
export function checkedPlans(plans: TenantPlans | undefined): TenantPlans | undefined {
  for (const [plan, { limits, quotas }] of Object.entries(plans ?? {})) {
    for (const [name, figure] of Object.entries({ ...limits, ...quotas }) as readonly [string, unknown][]) {
      if (figure === undefined || isFigure(figure)) continue;
      throw new PortcullisError(
        'config_invalid',
        `\`${name}\` of the plan \`${plan}\` must be a whole number that is not negative`,
      );
    }
  }
  return plans;
}

function isFigure(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
