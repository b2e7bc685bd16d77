import type { Work } from '../cel/work.js';
import { allOf, hasAny, type ByName } from '../compile/by-name.js';

/** Whoever pays; asked for only where something is to be paid. */
export interface Payer {
  readonly work: Work;
}

/**
 * All that stands for a name. A literal name is looked up for nothing; a pattern goes through the name.
 *
 * @throws Unanswerable when the request has cost too much
 */
export function lookUp<T>(index: ByName<T>, name: string, payer: Payer): readonly T[] {
  payForPatterns(index.patterns.length, name, payer);
  return allOf(index, name);
}

/**
 * Whether anything stands for a name.
 *
 * @throws Unanswerable when the request has cost too much
 */
export function isKnown(index: ByName<unknown>, name: string, payer: Payer): boolean {
  payForPatterns(index.patterns.length, name, payer);
  return hasAny(index, name);
}

/**
 * Pays for patterns before they are tried: what one does with a character takes as long as a few steps.
 *
 * @throws Unanswerable when the request has cost too much
 */
export function payForPatterns(count: number, name: string, payer: Payer): void {
  if (count > 0) payer.work.spend(count * (1 + name.length));
}
