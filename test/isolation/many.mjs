// npm run test:isolation [-- OPERATIONS [SEED]]: the isolation kit against every adapter, on the real servers, with many
// generated operations for each. The seed is printed, and repeats the run.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const [operations = '100000', seed = String(Math.trunc(Math.random() * 0x7fffffff))] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(operations) || !/^-?\d+$/.test(seed)) {
  console.error('Usage: npm run test:isolation -- [OPERATIONS [SEED]]');
  process.exit(2);
}
console.log(`${operations} operations for each adapter, seed ${seed}`);
const env = { ...process.env, ISOLATION_OPERATIONS: operations, ISOLATION_SEED: seed };
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'system', 'test/isolation/ours.test.ts'],
  { cwd: root, env, stdio: 'inherit' },
);
process.exit(status ?? 1);
