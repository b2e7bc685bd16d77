import { isDeepStrictEqual } from 'node:util';
import { resolve } from 'node:path';
import type { AttributeValue } from '@portcullis/core';
import { askerOf, type Answer, type Ask } from './ask.js';
import { casesOf, SuiteError, type TestCase } from './cases.js';
import { readSuites, type ReadSuite } from './read-suites.js';
import { reportOf, worstOf, type CaseReport, type PolicyTestReport, type SuiteReport } from './report.js';

/** Which suites are run. */
export interface PolicyTestOptions {
  /** The folder with the policies and their suites `*_test.yaml`. */
  readonly policies: string;
  /** Which tests are run, by `SUITE/TEST`; the others are skipped. @defaultValue all */
  readonly run?: RegExp | undefined;
}

/**
 * Runs the test suites of a policy folder on the engine in this process: the files that `cerbos compile` runs, with the
 * same verdict. Whatever of a suite this engine cannot be asked is `errored`, and never passed.
 *
 * @throws PortcullisError `policies_invalid` where the policies cannot be loaded
 * @example
 * ```ts
 * import { testPolicies } from '@portcullis/pdp/embedded';
 *
 * const { result, counts } = await testPolicies({ policies: './policies' });
 * console.log(result, counts.failed); // prints: passed 0
 * ```
 * @see https://docs.cerbos.dev/cerbos/latest/policies/compile
 */
export async function testPolicies({ policies, run }: PolicyTestOptions): Promise<PolicyTestReport> {
  const folder = resolve(policies);
  const ask = await askerOf(folder);
  const suites = await readSuites(folder);
  return reportOf(
    'embedded',
    suites.map((read) => suiteReport(read, ask, run)),
  );
}

function suiteReport(read: ReadSuite, ask: Ask, run: RegExp | undefined): SuiteReport {
  if ('error' in read) return { file: read.file, name: '', result: 'errored', message: read.error, cases: [] };
  const { file, suite, fixtures } = read;
  const about = { file, name: suite.name };
  if (suite.skip) return { ...about, result: 'skipped', message: suite.skipReason, cases: [] };
  try {
    const cases = casesOf(suite, fixtures).flatMap((test) => {
      if (run !== undefined && !run.test(`${suite.name}/${test.test}`)) return skipped(test, 'not asked for');
      return test.skipReason === undefined ? caseReports(test, ask) : skipped(test, test.skipReason);
    });
    return { ...about, result: worstOf(cases.map(({ result }) => result)), cases };
  } catch (error) {
    if (!(error instanceof SuiteError)) throw error;
    return { ...about, result: 'errored', message: error.message, cases: [] };
  }
}

type About = Pick<CaseReport, 'test' | 'principal' | 'resource' | 'action'>;

function aboutEach({ test, principalName, resourceName, actions }: TestCase): readonly About[] {
  return actions.map((action) => ({ test, principal: principalName, resource: resourceName, action }));
}

function skipped(test: TestCase, message: string): readonly CaseReport[] {
  return aboutEach(test).map((about) => ({ ...about, result: 'skipped', message }));
}

function caseReports(test: TestCase, ask: Ask): readonly CaseReport[] {
  try {
    const answers = ask(test);
    return aboutEach(test).map((about, position) => caseReport(about, test, answers[position]));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return aboutEach(test).map((about) => ({ ...about, result: 'errored', message }));
  }
}

function caseReport(about: About, test: TestCase, answer: Answer | undefined): CaseReport {
  if (answer === undefined) return { ...about, result: 'errored', message: 'there is no answer' };
  const outputs = Object.fromEntries([...answer.outputs].map(([source, value]) => [source, value ?? null]));
  const done = { ...about, actual: answer.effect, outputs };
  const expected = test.effects.get(about.action) ?? 'deny';
  if (answer.effect !== expected) return { ...done, result: 'failed', message: `expected ${expected}` };
  for (const [source, value] of test.outputs.get(about.action) ?? [])
    if (!isOutput(answer, source, value))
      return { ...done, result: 'failed', message: `expected the output ${JSON.stringify(value)} of ${source}` };
  return { ...done, result: 'passed' };
}

/** Numbers of JSON are doubles: minus zero is zero. */
function isOutput({ outputs }: Answer, source: string, value: AttributeValue): boolean {
  const found = outputs.get(source);
  return found !== undefined && isDeepStrictEqual(JSON.parse(JSON.stringify(found)), JSON.parse(JSON.stringify(value)));
}
