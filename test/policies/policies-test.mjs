// Runs the tests of policies/ with the compiler of the Cerbos version that is pinned in package.json, with the engine in
// this process, or with both.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const help = `Usage: npm run policies:test -- [options] [DIR]

Compiles the policies in DIR (default: policies) and runs their *_test.yaml suites.

  --engine NAME  cerbos (default), embedded, or both: where the two differ, it fails
  --junit FILE   write a JUnit report to FILE; - for standard output
  --json FILE    write what came out as JSON to FILE; - for standard output (embedded and both)
  --run REGEX    only the tests whose names match (not with both)
  --help         this text

Exit codes: 0 all passed, 1 a policy does not compile or a test failed or the engines differ, 2 the options are wrong.
`;

let options;
try {
  options = parseArgs({
    allowPositionals: true,
    options: {
      engine: { type: 'string', default: 'cerbos' },
      junit: { type: 'string' },
      json: { type: 'string' },
      run: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const { engine, json, run } = options.values;
  if (!['cerbos', 'embedded', 'both'].includes(engine)) throw new Error(`there is no engine \`${engine}\``);
  if (engine === 'cerbos' && json !== undefined) throw new Error('--json needs --engine embedded or both');
  if (engine === 'both' && run !== undefined) throw new Error('--run needs one engine');
  if (options.positionals.length > 1) throw new Error('one folder, please');
  if (run !== undefined) new RegExp(run);
} catch (error) {
  console.error(`policies:test: ${error.message}\n\n${help}`);
  process.exit(2);
}
const { values, positionals } = options;
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}

if (values.engine !== 'cerbos') {
  const { status } = spawnSync(
    process.execPath,
    [
      ...['--conditions=@portcullis/source', '--import', import.meta.resolve('tsx')],
      ...[join(import.meta.dirname, 'run-suites.ts'), ...process.argv.slice(2)],
    ],
    { stdio: 'inherit' },
  );
  process.exit(status ?? 1);
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
