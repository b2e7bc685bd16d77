import type { PolicyTestReport } from '@portcullis/pdp/embedded';

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** What XML cannot hold is left out. */
function xml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => escapes[character] ?? '').replace(/[^\P{C}\n]/gu, '');
}

/** A report as JUnit's XML, which CI systems read. */
export function junitOf({ suites, counts }: PolicyTestReport): string {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const lines = suites.flatMap(({ file, name, cases, result, message = '' }) => [
    `  <testsuite name="${xml(name)}" file="${xml(file)}" tests="${String(cases.length)}">`,
    ...(cases.length === 0 && result === 'errored'
      ? [`    <testcase name="${xml(file)}"><error message="${xml(message)}"/></testcase>`]
      : []),
    ...cases.map((one) => {
      const label = `${one.test}: ${one.action} on ${one.resource} by ${one.principal}`;
      const tag = { passed: '', skipped: 'skipped', failed: 'failure', errored: 'error' }[one.result];
      const said = tag === '' ? '' : `<${tag} message="${xml(one.message ?? '')}"/>`;
      return `    <testcase name="${xml(label)}" classname="${xml(one.test)}">${said}</testcase>`;
    }),
    '  </testsuite>',
  ]);
  const { failed, errored, skipped } = counts;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites tests="${String(total)}" failures="${String(failed)}" errors="${String(errored)}" skipped="${String(skipped)}">`,
    ...lines,
    '</testsuites>',
  ].join('\n');
}
