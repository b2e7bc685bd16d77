import { Work } from '../cel/work.js';

/** What the questions of one request share: the time, what they may cost together, and how long they take. */
export class Occasion {
  private now: number | undefined;
  private left: Work | undefined = undefined;
  private startedAt: number | undefined = undefined;

  /** @param nowMs - the time in milliseconds since 1970; where it is not given, it is taken when it is first asked for */
  constructor(nowMs?: number) {
    this.now = nowMs;
  }

  get nowMs(): number {
    return (this.now ??= Date.now());
  }

  /** Where something is to be paid, it takes its time, too. */
  get work(): Work {
    if (this.left !== undefined) return this.left;
    this.startTiming();
    return (this.left = new Work());
  }

  startTiming(): void {
    this.startedAt ??= performance.now();
  }

  /** Since the timing was started; 0 where it was not: to look at a clock twice takes a sixth of the time of a decision. */
  get durationMs(): number {
    return this.startedAt === undefined ? 0 : performance.now() - this.startedAt;
  }
}
