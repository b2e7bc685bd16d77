import type { Json } from './cel-value.js';

/** An integer as JSON: one that a double cannot hold exactly becomes text, as in Cerbos. */
export function jsonInteger(value: bigint): Json {
  const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
  return isSafe ? Number(value) : String(value);
}
