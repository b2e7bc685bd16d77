// Checks what is published: export maps by publint, types by are-the-types-wrong, and the files that every package has.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = join(import.meta.dirname, '..', '..', 'packages');
const tarballs = mkdtempSync(join(tmpdir(), 'portcullis-pack-'));
// The packages are ES modules for Node and bundlers; who requires them gets Node's own require(esm).
const resolutions = ['node16-esm', 'bundler'];
let problems = 0;

function problem(name, text) {
  problems++;
  console.error(`${name}: ${text}`);
}

for (const name of readdirSync(root)) {
  const pkgDir = join(root, name);
  const manifest = JSON.parse(readFileSync(join(pkgDir, 'package.json'), 'utf8'));
  for (const [path, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === 'string') continue;
    for (const [condition, file] of Object.entries(target)) {
      if (!existsSync(join(pkgDir, file)))
        problem(name, `exports["${path}"].${condition} names ${file}, which does not exist`);
    }
  }
  if (manifest.private === true) continue;
  for (const file of ['README.md', 'LICENSE']) if (!existsSync(join(pkgDir, file))) problem(name, `has no ${file}`);
  const { messages } = await publint({ pkgDir, strict: true });
  for (const message of messages) problem(name, formatMessage(message, manifest));

  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', tarballs], {
      cwd: pkgDir,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const result = await checkPackage(createPackageFromTarballData(readFileSync(join(tarballs, packed.filename))));
  for (const found of result.problems ?? []) {
    if (found.resolutionKind === undefined || resolutions.includes(found.resolutionKind))
      problem(name, `${found.kind} ${found.entrypoint ?? ''} ${found.resolutionKind ?? ''}`);
  }
}
rmSync(tarballs, { recursive: true });
console.log(problems === 0 ? 'All export maps are sound.' : `${String(problems)} problems.`);
process.exit(problems === 0 ? 0 : 1);
