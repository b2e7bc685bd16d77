import { CelObject, type CelResult, type CelValue, type Json } from './cel-value.js';
import { jsonInteger } from './json-integer.js';

const maxUint = 2n ** 64n - 1n;

/** CEL's `uint`: an integer of 64 bits without a sign. */
export class Uint extends CelObject {
  readonly type = 'uint';
  readonly value: bigint;

  constructor(value: bigint) {
    super();
    this.value = value;
  }

  override equals(other: CelValue): boolean {
    if (other instanceof Uint) return this.value === other.value;
    if (typeof other === 'bigint') return this.value === other;
    return typeof other === 'number' && Number(this.value) === other;
  }

  override toJson(): Json {
    return jsonInteger(this.value);
  }
}

/** A `uint`, if it is one. */
export function uintOf(value: bigint, otherwise: Extract<CelResult, symbol>): Uint | typeof otherwise {
  return value >= 0n && value <= maxUint ? new Uint(value) : otherwise;
}
