import type { AttributeValue } from '@portcullis/core';

export type TestResult = 'passed' | 'failed' | 'skipped' | 'errored';

/** What came out of one action by one principal on one resource. */
export interface CaseReport {
  readonly test: string;
  readonly principal: string;
  readonly resource: string;
  readonly action: string;
  readonly result: TestResult;
  /** Absent where the case was not run. */
  readonly actual?: 'allow' | 'deny';
  /** What the policies said beside it, by source. */
  readonly outputs?: Readonly<Record<string, AttributeValue>>;
  /** What was expected instead, or why it was not run. */
  readonly message?: string;
}

/** What came out of a file. */
export interface SuiteReport {
  readonly file: string;
  /** Empty where the file cannot be read. */
  readonly name: string;
  readonly result: TestResult;
  /** What is wrong with the suite as a whole, or why it is skipped. */
  readonly message?: string;
  readonly cases: readonly CaseReport[];
}

/** What came out of all suites of a folder. */
export interface PolicyTestReport {
  readonly engine: string;
  readonly result: TestResult;
  readonly counts: Readonly<Record<TestResult, number>>;
  readonly suites: readonly SuiteReport[];
}

/** From the best to the worst. */
const order: readonly TestResult[] = ['skipped', 'passed', 'failed', 'errored'];

/** The worst of some results; without any, nothing was run. */
export function worstOf(results: readonly TestResult[]): TestResult {
  return order.findLast((one) => results.includes(one)) ?? 'skipped';
}

/** Sums suites up. */
export function reportOf(engine: string, suites: readonly SuiteReport[]): PolicyTestReport {
  const counts = { passed: 0, failed: 0, skipped: 0, errored: 0 };
  for (const { cases } of suites) for (const { result } of cases) counts[result]++;
  return { engine, result: worstOf(suites.map(({ result }) => result)), counts, suites };
}
