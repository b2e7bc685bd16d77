// npm run test:matrix: the whole suite on Node 20, 22 and 24. The Nodes come from npm, into .tmp.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.tmp', 'nodes');
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24'];
let failed = false;
for (const version of versions) {
  const home = join(folder, 'node_modules', `node${version}`);
  if (!existsSync(home)) {
    mkdirSync(folder, { recursive: true });
    if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
    execFileSync(
      'npm',
      [
        'install',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
        `node${version}@npm:node-${process.platform}-${process.arch}@${version}`,
      ],
      { cwd: folder, stdio: 'inherit' },
    );
  }
  const bin = join(home, 'bin');
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };
  console.log(`\n== Node ${execFileSync(join(bin, 'node'), ['--version'], { encoding: 'utf8' }).trim()}`);
  const { status } = spawnSync(join(bin, 'node'), [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run'], {
    cwd: root,
    env,
    stdio: 'inherit',
  });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
