import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { lintPolicies, type PolicyFinding } from '../policies/lint.js';
import { readPolicies } from '../policies/read.js';

/** A copy of a policy folder that was found good, which nobody edits any more. */
export interface PolicySnapshot {
  readonly folder: string;
  /** SHA-256 over the names and contents of all files, in hex: which policies decide. */
  readonly revision: string;
  readonly warnings: readonly PolicyFinding[];
}

/** A cheap sign of whether anything below a folder may have changed. */
export async function folderState(folder: string): Promise<string> {
  const files = await filesBelow(folder);
  const states = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(file);
      return `${file}\0${String(mtimeMs)}\0${String(size)}\0${String(ino)}`;
    }),
  );
  return createHash('sha256').update(states.join('\n')).digest('hex');
}

/**
 * Copies a policy folder and checks the copy: by our lint, and by the engine's own compiler. What is checked is what
 * will be served, whatever happens to the source in the meantime.
 *
 * @throws PortcullisError `policies_invalid`, with the engine's own message
 */
export async function takeSnapshot(
  source: string,
  target: string,
  binary: string,
  allowWideningScopes: boolean,
): Promise<PolicySnapshot> {
  await mkdir(target, { recursive: true });
  await cp(source, target, {
    recursive: true,
    dereference: true,
    filter: (path) => path === source || !/(^|[\\/])\.(git|DS_Store)/.test(relative(source, path)),
  }).catch((cause: unknown) => {
    throw new PortcullisError('policies_invalid', `the policy folder \`${source}\` cannot be read`, { cause });
  });
  const findings = lintPolicies(await readPolicies(target));
  const errors = allowWideningScopes ? [] : findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0)
    throw new PortcullisError('policies_invalid', errors.map(({ file, message }) => `${file}: ${message}`).join('\n'));
  await compile(binary, target);
  return {
    folder: target,
    revision: await contentHash(target),
    warnings: findings.filter(({ severity }) => severity === 'warning'),
  };
}

/** Runs the engine's compiler, without the tests. */
async function compile(binary: string, folder: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    execFile(
      binary,
      ['compile', '--skip-tests', '--color=never', folder],
      { timeout: 30_000, env: {} },
      (error, stdout, stderr) => {
        if (error === null) resolve();
        else {
          const said = `${stdout}\n${stderr}`.trim().replaceAll(`${folder}/`, '');
          reject(
            new PortcullisError('policies_invalid', said === '' ? 'the policies do not compile' : said, {
              cause: error,
            }),
          );
        }
      },
    );
  });
}

async function contentHash(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await filesBelow(folder)) {
    const content = await readFile(file);
    hash.update(`${relative(folder, file)}\0${String(content.byteLength)}\0`).update(content);
  }
  return hash.digest('hex');
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(folder, file).startsWith('.git'))
    .sort();
}
