// Holds the engine of this process against the Cerbos PDP with made-up policies, expressions and requests: every night.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const help = `Usage: npm run test:differential -- [options]

  --rounds N   how many times as much as the suite asks (default: 20, some hundred thousand answers)
  --seed N     repeats a run (default: the time)
  --help       this text

Prints seeds, policy sets and answers, and each difference with its request.
Exit codes: 0 the two agree, 1 they differ, 2 the options are wrong.
`;

function numberOf(name, text) {
  if (text === undefined || (/^\d{1,10}$/.test(text) && Number(text) > 0)) return text;
  throw new Error(`--${name} has to be a whole number from 1`);
}

let options;
try {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  });
  options = {
    help: values.help,
    rounds: numberOf('rounds', values.rounds) ?? '20',
    seed: numberOf('seed', values.seed),
  };
} catch (error) {
  console.error(`test:differential: ${error.message}\n\n${help}`);
  process.exit(2);
}
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}

const root = join(import.meta.dirname, '..');
const vitest = spawn(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'system', 'test/property/embedded'],
  {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      NO_COLOR: '1',
      PORTCULLIS_DIFFERENTIAL: options.rounds,
      ...(options.seed === undefined ? {} : { PORTCULLIS_SEED: options.seed }),
    },
  },
);
let said = '';
vitest.stdout.setEncoding('utf8');
vitest.stdout.on('data', (text) => {
  said += text;
  process.stdout.write(text);
});
vitest.once('close', (code) => {
  const answers = [...said.matchAll(/(\d+) answers/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  const sets = [...said.matchAll(/(\d+) policy sets/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  const expressions = [...said.matchAll(/(\d+) expressions/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  console.log(
    `${sets} policy sets, ${expressions} expressions, ${answers} answers: ${code === 0 ? 'no difference' : 'THEY DIFFER'}`,
  );
  process.exit(code === 0 && answers > 0 ? 0 : 1);
});
