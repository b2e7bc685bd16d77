import { isInt } from '../arithmetic.js';
import { isOfKind } from '../kind.js';
import { overload, type Overload } from '../overload.js';
import { Uint } from '../uint.js';
import { failed, type CelResult, type CelValue } from '../cel-value.js';
import { compare } from '../value.js';
import type { Work } from '../work.js';

const bits = 64n;

/** Functions on numbers. */
export const mathFunctions: readonly Overload[] = [
  overload('math.ceil', ['double'], 'double', (value) => Math.ceil(value)),
  overload('math.floor', ['double'], 'double', (value) => Math.floor(value)),
  overload('math.round', ['double'], 'double', round),
  overload('math.trunc', ['double'], 'double', (value) => Math.trunc(value)),
  overload('math.sqrt', ['double'], 'double', (value) => Math.sqrt(value)),
  overload('math.sqrt', ['int'], 'double', (value) => Math.sqrt(Number(value))),
  overload('math.sqrt', ['uint'], 'double', ({ value }) => Math.sqrt(Number(value))),
  overload('math.isNaN', ['double'], 'bool', (value) => Number.isNaN(value)),
  overload('math.isInf', ['double'], 'bool', (value) => Math.abs(value) === Infinity),
  overload('math.isFinite', ['double'], 'bool', (value) => Number.isFinite(value)),
  overload('math.abs', ['double'], 'double', (value) => Math.abs(value)),
  overload('math.abs', ['int'], 'int', (value) => {
    const size = value < 0n ? -value : value;
    return isInt(size) ? size : failed;
  }),
  overload('math.abs', ['uint'], 'uint', (value) => value),
  overload('math.sign', ['double'], 'double', (value) => (value === 0 ? 0 : Math.sign(value))),
  overload('math.sign', ['int'], 'int', (value) => (value === 0n ? 0n : value < 0n ? -1n : 1n)),
  overload('math.sign', ['uint'], 'uint', ({ value }) => new Uint(value === 0n ? 0n : 1n)),
  ...bitwise('math.bitAnd', (left, right) => left & right),
  ...bitwise('math.bitOr', (left, right) => left | right),
  ...bitwise('math.bitXor', (left, right) => left ^ right),
  overload('math.bitNot', ['int'], 'int', (value) => ~value),
  overload('math.bitNot', ['uint'], 'uint', ({ value }) => new Uint(BigInt.asUintN(64, ~value))),
  overload('math.bitShiftLeft', ['int', 'int'], 'int', (value, by) =>
    shifted(by, () => BigInt.asIntN(64, value << by)),
  ),
  overload('math.bitShiftLeft', ['uint', 'int'], 'uint', ({ value }, by) =>
    unsigned(shifted(by, () => BigInt.asUintN(64, value << by))),
  ),
  // The sign is a bit like any other here.
  overload('math.bitShiftRight', ['int', 'int'], 'int', (value, by) =>
    shifted(by, () => BigInt.asIntN(64, BigInt.asUintN(64, value) >> by)),
  ),
  overload('math.bitShiftRight', ['uint', 'int'], 'uint', ({ value }, by) => unsigned(shifted(by, () => value >> by))),
  ...extreme('math.least', (order) => order > 0),
  ...extreme('math.greatest', (order) => order < 0),
];

/** Halves go away from zero. */
function round(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

function bitwise(name: string, run: (left: bigint, right: bigint) => bigint): readonly Overload[] {
  return [
    overload(name, ['int', 'int'], 'int', run),
    overload(name, ['uint', 'uint'], 'uint', (left, right) => new Uint(run(left.value, right.value))),
  ];
}

function shifted(by: bigint, run: () => bigint): bigint | typeof failed {
  if (by < 0n) return failed;
  return by >= bits ? 0n : run();
}

function unsigned(value: bigint | typeof failed): CelResult {
  return value === failed ? failed : new Uint(value);
}

/** The least or the greatest of a list, or of the arguments; of equal ones the first. */
function extreme(name: string, isWorse: (order: number) => boolean): readonly Overload[] {
  const choose = (items: readonly CelValue[], work: Work): CelResult => {
    work.spend(items.length);
    const [first, ...others] = items;
    if (first === undefined || !items.every(isNumber)) return failed;
    let best = first;
    for (const other of others) {
      const order = compare(best, other);
      if (order === failed) return failed;
      if (isWorse(order)) best = other;
    }
    return best;
  };
  return [
    overload(name, ['dyn'], 'dyn', (value, work) => choose(isOfKind.list(value) ? value : [value], work)),
    overload(name, ['dyn', 'dyn'], 'dyn', (one, other, work) => choose([one, other], work)),
    overload(name, ['dyn', 'dyn', 'dyn'], 'dyn', (one, two, three, work) => choose([one, two, three], work)),
    overload(name, ['dyn', 'dyn', 'dyn', 'dyn'], 'dyn', (one, two, three, four, work) =>
      choose([one, two, three, four], work),
    ),
  ];
}

function isNumber(value: CelValue): boolean {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint;
}
