import { execFile } from 'node:child_process';
import { cp, lstat, mkdir, stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { PortcullisError } from '@portcullis/core';
import { warningsOf, type PolicyFinding } from '../policies/lint.js';
import { linkedFolder, readPolicies } from '../policies/read.js';
import { revisionOfFolder } from '../policies/revision.js';

/** A copy of a policy folder that was found good, which nobody edits any more. */
export interface PolicySnapshot {
  readonly folder: string;
  /** Which policies decide: SHA-256 over what they say, in hex. */
  readonly revision: string;
  readonly warnings: readonly PolicyFinding[];
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
    filter: (path) => isTaken(source, path),
  }).catch((cause: unknown) => {
    if (cause instanceof PortcullisError) throw cause;
    throw new PortcullisError('policies_invalid', `the policy folder \`${source}\` cannot be read`, { cause });
  });
  const warnings = warningsOf(await readPolicies(target), allowWideningScopes);
  await compile(binary, target);
  return { folder: target, revision: await revisionOfFolder(target), warnings };
}

/** A link to a file becomes one; a link to a folder is refused, as everywhere, unless it is hidden from the engine. */
async function isTaken(source: string, path: string): Promise<boolean> {
  if (path === source) return true;
  const name = relative(source, path);
  if (/(^|[\\/])\.(git|DS_Store)/.test(name)) return false;
  const isLinkedFolder = (await lstat(path)).isSymbolicLink() && (await stat(path)).isDirectory();
  if (!isLinkedFolder) return true;
  if (/(^|[\\/])\./.test(name)) return false;
  throw linkedFolder(name);
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
