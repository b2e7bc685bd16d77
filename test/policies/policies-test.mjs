// Runs the tests of policies/ with the compiler of the Cerbos version that is pinned in package.json.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const help = `Usage: npm run policies:test -- [options] [DIR]

Compiles the policies in DIR (default: policies) and runs their *_test.yaml suites.

  --junit FILE   write a JUnit report to FILE; - for standard output
  --run REGEX    only the tests whose names match
  --help         this text

Exit codes: 0 all passed, 1 a policy does not compile or a test failed, 2 the options are wrong.
`;

let options;
try {
  options = parseArgs({
    allowPositionals: true,
    options: { junit: { type: 'string' }, run: { type: 'string' }, help: { type: 'boolean' } },
  });
} catch (error) {
  console.error(`policies:test: ${error.message}\n\n${help}`);
  process.exit(2);
}
const { values, positionals } = options;
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

const name = `cerbos-${process.platform}-${process.arch}`;
const require = createRequire(import.meta.url);
const binary = createRequire(require.resolve('cerbos/package.json')).resolve(`@cerbos/${name}/${name}`);
const report = values.junit === undefined ? [] : ['--output=tree', '--test-output=junit'];
const only = values.run === undefined ? [] : [`--run=${values.run}`];
const { status, stdout, stderr } = spawnSync(binary, ['compile', ...report, ...only, positionals[0] ?? 'policies'], {
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
if (values.junit !== undefined && values.junit !== '-') {
  writeFileSync(values.junit, stdout);
  console.log(`The report is in ${values.junit}.`);
} else {
  process.stdout.write(stdout);
}
process.stderr.write(stderr);
process.exit(status === 0 ? 0 : 1);
