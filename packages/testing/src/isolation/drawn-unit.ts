import fc from 'fast-check';
import { keysFor, ordinaryKeys, prefixesFor } from './keys.js';
import { operations, type Operation, type Step } from './sequence-step.js';
import type { World } from './world.js';

/** A unit of work as it is drawn: numbers, which mean names and keys once the tenants are known. */
export interface DrawnUnit {
  readonly tenant: number;
  readonly steps: readonly { readonly operation: Operation; readonly key: number; readonly other: number }[];
}

export interface Unit {
  readonly tenant: string;
  readonly steps: readonly Step[];
}

/** By what a key could get out. */
export const attempted = ['get', 'delete', 'put', 'list', 'copy', 'insert', 'getMany'] as const;

export function drawnPut(tenant: number, key: number): DrawnUnit {
  return { tenant, steps: [{ operation: 'put', key, other: 0 }] };
}

export function drawnAttempt({ has }: World): fc.Arbitrary<DrawnUnit> {
  const tried = attempted.filter((operation) => isAble(operation, has));
  const step = fc.record({
    operation: fc.constantFrom(...tried),
    key: fc.nat({ max: 50 }).map((key) => key + ordinaryKeys.length),
    other: fc.nat({ max: ordinaryKeys.length - 1 }),
  });
  return step.map((one) => ({ tenant: 0, steps: [one] }));
}

/** Where the odd ones begin in the table of keys, or of prefixes. */
export function spelledFrom(operation: Operation): number {
  return operation === 'list' ? 3 : ordinaryKeys.length;
}

export function drawnOrdinary(tenants: number): fc.Arbitrary<DrawnUnit> {
  return fc
    .record({
      tenant: fc.nat({ max: tenants - 1 }),
      operation: fc.constantFrom('put' as const, 'put' as const, 'get' as const, 'delete' as const),
      key: fc.nat({ max: 1 }),
    })
    .map(({ tenant, operation, key }) => ({ tenant, steps: [{ operation, key, other: 0 }] }));
}

export function isAble(operation: Operation, has: ReadonlySet<string>): boolean {
  return ['put', 'get', 'delete'].includes(operation) || has.has(operation);
}

export function drawnUnit({ has, families }: World): fc.Arbitrary<DrawnUnit> {
  const able = operations.filter((operation) => isAble(operation, has));
  const key = fc.oneof(
    { withCrossShrink: true },
    { weight: 3, arbitrary: fc.nat({ max: ordinaryKeys.length - 1 }) },
    { weight: 2, arbitrary: fc.nat({ max: 120 }) },
  );
  const step = fc.record({
    // Without something stored there is nothing to see.
    operation: fc.oneof(
      { weight: 2, arbitrary: fc.constant('put' as const) },
      { weight: 4, arbitrary: fc.constantFrom(...able) },
    ),
    key,
    other: key,
  });
  const most = Math.max(...families.map(({ length }) => length));
  return fc.record({
    tenant: fc.nat({ max: most - 1 }),
    steps: fc.oneof(
      { withCrossShrink: true },
      { weight: 3, arbitrary: fc.array(step, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(step, { minLength: 1, maxLength: 3 }) },
    ),
  });
}

export function spelled(unit: DrawnUnit, tenants: readonly string[]): Unit {
  const tenant = tenants[unit.tenant % tenants.length] ?? '';
  const others = tenants.filter((name) => name !== tenant);
  const [keys, prefixes] = [keysFor(tenant, others), prefixesFor(tenant, others)];
  const pick = (from: readonly string[], at: number): string => from[at % from.length] ?? '';
  return {
    tenant,
    steps: unit.steps.map(({ operation, key, other }) => ({
      operation,
      key: pick(operation === 'list' ? prefixes : keys, key),
      other: pick(keys, other),
    })),
  };
}
