import { Work } from '../cel/work.js';

/** What the questions of one request share: the time, and what they may cost together. */
export class Occasion {
  private now: number | undefined;
  private left: Work | undefined = undefined;

  /** @param nowMs - the time in milliseconds since 1970; where it is not given, it is taken when it is first asked for */
  constructor(nowMs?: number) {
    this.now = nowMs;
  }

  get nowMs(): number {
    return (this.now ??= Date.now());
  }

  get work(): Work {
    return (this.left ??= new Work());
  }
}
