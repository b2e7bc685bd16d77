import { execFile } from 'node:child_process';
import { z } from 'zod';
import type { AttributeValue } from '@portcullis/core';
import { cerbosBinary } from '@portcullis/pdp/cerbos';
import type { CaseReport, PolicyTestReport, SuiteReport, TestResult } from '@portcullis/pdp/embedded';

const result = z
  .enum(['RESULT_UNSPECIFIED', 'RESULT_SKIPPED', 'RESULT_PASSED', 'RESULT_FAILED', 'RESULT_ERRORED'])
  .transform((text): TestResult => {
    switch (text) {
      case 'RESULT_PASSED':
        return 'passed';
      case 'RESULT_FAILED':
        return 'failed';
      case 'RESULT_ERRORED':
        return 'errored';
      case 'RESULT_SKIPPED':
      case 'RESULT_UNSPECIFIED':
        return 'skipped';
    }
  });
const effect = z
  .enum(['EFFECT_ALLOW', 'EFFECT_DENY'])
  .transform((text) => (text === 'EFFECT_ALLOW' ? 'allow' : 'deny'));
const details = z.object({
  result,
  success: z
    .object({ effect, outputs: z.array(z.object({ src: z.string(), val: z.json().default(null) })).default([]) })
    .optional(),
  failure: z.object({ actual: effect }).optional(),
  error: z.string().optional(),
  skipReason: z.string().optional(),
});
const named = { name: z.string() };
const action = z.object({ ...named, details });
const resource = z.object({ ...named, actions: z.array(action).default([]) });
const principal = z.object({ ...named, resources: z.array(resource).default([]) });
const testCase = z.object({ ...named, principals: z.array(principal).default([]) });
const suite = z.object({
  ...named,
  file: z.string(),
  error: z.string().optional(),
  skipReason: z.string().optional(),
  summary: z.object({ overallResult: result.default('skipped') }),
  testCases: z.array(testCase).default([]),
});
const output = z.object({ suites: z.array(suite).default([]) });

/** Runs the suites of a folder with the compiler of the Cerbos version that is pinned, and reads what it reports. */
export async function testWithCerbos(folder: string): Promise<PolicyTestReport> {
  const { stdout, stderr } = await compile(folder);
  const text = stdout.slice(Math.max(0, stdout.indexOf('{')));
  const parsed = output.safeParse(jsonOf(text));
  if (!parsed.success || text === '' || text.includes('"compileErrors"'))
    throw new Error(`cerbos: ${stdout}${stderr}`.trim());
  const suites = parsed.data.suites.map(suiteReport);
  const counts = { passed: 0, failed: 0, skipped: 0, errored: 0 };
  for (const { cases } of suites) for (const one of cases) counts[one.result]++;
  const order: readonly TestResult[] = ['errored', 'failed', 'passed'];
  const worst = order.find((one) => suites.some((of) => of.result === one)) ?? 'skipped';
  return { engine: 'cerbos', result: worst, counts, suites };
}

function compile(folder: string): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      cerbosBinary(),
      ['compile', '--output=json', '--color=never', folder],
      { maxBuffer: 256 * 1024 * 1024, env: {} },
      (_error, stdout, stderr) => {
        resolve({ stdout, stderr });
      },
    );
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function suiteReport({ file, name, error, skipReason, summary, testCases }: z.infer<typeof suite>): SuiteReport {
  const cases = testCases.flatMap(({ name: test, principals }) =>
    principals.flatMap(({ name: who, resources }) =>
      resources.flatMap(({ name: what, actions }) =>
        actions.map(({ name: act, details: said }) =>
          caseReport({ test, principal: who, resource: what, action: act }, said),
        ),
      ),
    ),
  );
  const message = error ?? skipReason;
  return {
    file,
    name: error === undefined ? name : '',
    result: summary.overallResult,
    ...(message === undefined ? {} : { message }),
    cases,
  };
}

function caseReport(
  about: Pick<CaseReport, 'test' | 'principal' | 'resource' | 'action'>,
  { result: came, success, failure, error, skipReason }: z.infer<typeof details>,
): CaseReport {
  const message = error ?? skipReason;
  const actual = success?.effect ?? failure?.actual;
  return {
    ...about,
    result: came,
    ...(actual === undefined ? {} : { actual }),
    ...(success === undefined
      ? {}
      : { outputs: Object.fromEntries(success.outputs.map(({ src, val }): [string, AttributeValue] => [src, val])) }),
    ...(message === undefined ? {} : { message }),
  };
}
