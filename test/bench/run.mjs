// npm run bench [-- NAME ...]: runs the benchmarks of those names, or all of them.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const all = ['gate', 'storage', 'tenants', 'limits', 'audit', 'engines', 'grpc', 'casbin'];
const names = process.argv.slice(2);
const unknown = names.filter((name) => !all.includes(name));
if (unknown.length > 0 || names.includes('--help')) {
  console.error(`Usage: npm run bench [-- NAME ...]\n\nNames: ${all.join(', ')}. Without one, all are run.`);
  process.exit(unknown.every((name) => name === '--help') ? 0 : 2);
}
for (const name of names.length === 0 ? all : names) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(import.meta.dirname, `${name}.mjs`)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
