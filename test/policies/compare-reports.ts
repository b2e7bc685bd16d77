import { isDeepStrictEqual } from 'node:util';
import type { CaseReport, PolicyTestReport } from '@portcullis/pdp/embedded';

/** Where two engines differ about the same suites: in the verdict on a case, in what was decided, or in the outputs. */
export function differencesBetween(one: PolicyTestReport, other: PolicyTestReport): readonly string[] {
  const files = new Set([...one.suites, ...other.suites].map(({ file }) => file));
  return [...files].sort().flatMap((file) => {
    const [left, right] = [one, other].map(({ suites }) => suites.find((suite) => suite.file === file));
    if (left === undefined || right === undefined)
      return [`${file}: is a suite to ${left === undefined ? other.engine : one.engine} alone`];
    const [mine, theirs] = [casesOf(left.cases), casesOf(right.cases)];
    const names = new Set([...mine.keys(), ...theirs.keys()]);
    const differing = [...names].filter((name) => !isSame(mine.get(name), theirs.get(name)));
    const cases = differing.map(
      (name) =>
        `${file}: ${name}\n  ${one.engine}: ${text(mine.get(name))}\n  ${other.engine}: ${text(theirs.get(name))}`,
    );
    return left.result === right.result || cases.length > 0
      ? cases
      : [
          `${file}: ${one.engine}: ${left.result} ${left.message ?? ''}, ${other.engine}: ${right.result} ${right.message ?? ''}`,
        ];
  });
}

function casesOf(cases: readonly CaseReport[]): ReadonlyMap<string, CaseReport> {
  return new Map(
    cases.map((one) => [`${one.test}: ${one.action} on ${one.resource} by ${one.principal}`, one] as const),
  );
}

/** What a denial says depends on the order of Cerbos's rules; a failed case is not told with its outputs. */
function isSame(left: CaseReport | undefined, right: CaseReport | undefined): boolean {
  if (left?.result !== right?.result || left?.actual !== right?.actual) return false;
  if (left?.result !== 'passed' || left.actual === 'deny') return true;
  return isDeepStrictEqual(JSON.parse(JSON.stringify(left.outputs)), JSON.parse(JSON.stringify(right?.outputs)));
}

function text(one: CaseReport | undefined): string {
  if (one === undefined) return 'no such case';
  const { result, actual = '', outputs = {}, message = '' } = one;
  return [result, actual, JSON.stringify(outputs), message].filter((part) => part !== '').join(' ');
}
