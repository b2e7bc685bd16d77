import { Unanswerable } from './unanswerable.js';

/**
 * How many steps all questions of one request may take together, by default: some tens of milliseconds. A step is a
 * node of a macro's body that is evaluated, an item of a list that is looked at, or sixteen characters.
 */
const defaultSteps = 1_000_000;

/** What one request may still cost. */
export class Work {
  private left: number;

  constructor(steps: number = defaultSteps) {
    this.left = steps;
  }

  /** @throws Unanswerable when the request has cost too much */
  spend(steps: number): void {
    this.left -= steps;
    if (!(this.left >= 0)) throw new Unanswerable('the question costs too much to answer');
  }

  /** Pays for a text that is looked at or made. */
  spendText(length: number): void {
    if (length >= 16) this.spend(length >> 4);
  }
}
