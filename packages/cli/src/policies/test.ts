import { parseArgs, styleText } from 'node:util';
import { testPolicies, type PolicyTestReport } from '@portcullis/pdp/embedded';
import { hasColour, printable, say, usage, UsageError, type Command } from '../command.js';
import { folderOf } from './folder.js';

const help = `Usage: portcullis policies test [FOLDER] [options]

Runs the suites (*_test.yaml) of a policy folder (default: ./policies) on the engine of this process.

  --run REGEXP  only the tests whose SUITE/TEST fits; the others are skipped
  --json        what came out as JSON
  --help        this text

Exit codes: 0 all passed, 1 a test failed or could not be run, 2 the arguments are wrong or the policies are refused.
`;

/** `portcullis policies test` */
export const test: Command = {
  summary: 'run the test suites of a policy folder',
  help,
  async run(args) {
    const { values, positionals } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: { run: { type: 'string' }, json: { type: 'boolean', default: false } },
      }),
    );
    const run = values.run === undefined ? undefined : regexpOf(values.run);
    const report = await testPolicies({ policies: folderOf(positionals), run });
    if (values.json) await say(JSON.stringify(report, null, 2));
    else await tell(report);
    return report.result === 'passed' || report.result === 'skipped' ? 0 : 1;
  },
};

function regexpOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch {
    throw new UsageError(`\`${text}\` is no regular expression`);
  }
}

async function tell({ suites, counts, result }: PolicyTestReport): Promise<void> {
  const paint = (colour: 'red' | 'green', text: string): string => (hasColour() ? styleText(colour, text) : text);
  for (const { file, message, result: of, cases } of suites) {
    if (message !== undefined && of !== 'passed') await say(`${printable(file)}: ${of}: ${printable(message)}`);
    for (const { test: name, principal, resource, action, result: one, message: why = '' } of cases) {
      if (one !== 'failed' && one !== 'errored') continue;
      const where = [file, name, principal, resource, action].map(printable).join(' / ');
      await say(paint('red', `${one}: ${where}: ${printable(why)}`));
    }
  }
  const all = Object.entries(counts).map(([name, count]) => `${String(count)} ${name}`);
  await say(paint(result === 'passed' ? 'green' : 'red', all.join(', ')));
}
