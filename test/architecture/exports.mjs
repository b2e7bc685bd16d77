// Checks the export maps of all published packages: by publint, and by are-the-types-wrong for ES modules.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = join(import.meta.dirname, '..', '..', 'packages');
let problems = 0;
for (const name of readdirSync(root)) {
  const pkgDir = join(root, name);
  const manifest = JSON.parse(readFileSync(join(pkgDir, 'package.json'), 'utf8'));
  const { messages } = await publint({ pkgDir, strict: true });
  for (const message of messages) {
    problems++;
    console.error(`${name}: ${formatMessage(message, manifest)}`);
  }
  for (const [path, target] of Object.entries(manifest.exports)) {
    if (typeof target === 'string') continue;
    for (const [condition, file] of Object.entries(target)) {
      try {
        readFileSync(join(pkgDir, file));
      } catch {
        problems++;
        console.error(`${name}: exports["${path}"].${condition} names ${file}, which does not exist`);
      }
    }
  }
}
console.log(problems === 0 ? 'All export maps are sound.' : `${String(problems)} problems.`);
process.exit(problems === 0 ? 0 : 1);
