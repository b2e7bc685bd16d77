// Runs the suites of a policy folder in this process, and by Cerbos as well to see where the two differ.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { PortcullisError } from '@portcullis/core';
import { testPolicies, type PolicyTestReport } from '@portcullis/pdp/embedded';
import { testWithCerbos } from './cerbos-suites.js';
import { differencesBetween } from './compare-reports.js';
import { junitOf } from './junit.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string' },
    run: { type: 'string' },
    json: { type: 'string' },
    junit: { type: 'string' },
  },
});
const policies = positionals[0] ?? 'policies';

function write(file: string, text: string): void {
  if (file === '-') process.stdout.write(`${text}\n`);
  else writeFileSync(file, text);
}

function tell({ engine, suites, result, counts }: PolicyTestReport): void {
  for (const suite of suites) {
    if (suite.cases.length === 0 || suite.result === 'errored')
      console.log(`${suite.file}: ${suite.result} ${suite.message ?? ''}`);
    for (const one of suite.cases.filter(({ result: came }) => came === 'failed' || came === 'errored').slice(0, 20))
      console.log(
        `${suite.file}: ${one.test}: ${one.action} on ${one.resource} by ${one.principal}: ${one.result}: ${one.message ?? ''}, was ${one.actual ?? 'not decided'}`,
      );
  }
  const { passed, failed, skipped, errored } = counts;
  console.log(
    `${engine}: ${result}: ${String(suites.length)} suites, ${String(passed)} passed, ${String(failed)} failed, ${String(errored)} errored, ${String(skipped)} skipped`,
  );
}

async function main(): Promise<number> {
  const own = await testPolicies({ policies, ...(values.run === undefined ? {} : { run: new RegExp(values.run) }) });
  const theirs = values.engine === 'both' ? await testWithCerbos(policies) : undefined;
  const differences = theirs === undefined ? [] : differencesBetween(own, theirs);
  if (values.json !== undefined)
    write(values.json, JSON.stringify(theirs === undefined ? own : { engines: [own, theirs], differences }, null, 2));
  if (values.junit !== undefined) write(values.junit, junitOf(own));
  if (values.json !== '-' && values.junit !== '-') {
    for (const report of theirs === undefined ? [own] : [own, theirs]) tell(report);
    for (const difference of differences.slice(0, 20)) console.log(`DIFFERENT ${difference}`);
    if (theirs !== undefined) console.log(`${String(differences.length)} differences`);
  }
  const isGood = [own, ...(theirs === undefined ? [] : [theirs])].every(({ result }) => /passed|skipped/.test(result));
  return isGood && differences.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof PortcullisError || error instanceof Error ? error.message : error);
  return 1;
});
