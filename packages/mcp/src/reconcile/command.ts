import { parseArgs } from 'node:util';
import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import type { GuardableServer } from '../transport/guard-server.js';
import { readLock, writeLock } from './lock.js';
import { formatFindings, reconcile, type ReconcileOptions } from './reconcile.js';

const help = `Usage: reconcile [options]

Holds the server's tools against the policies and the lock file of reviewed tools.

  --update    write the lock file: the tools as they are now count as reviewed
  --json      print the findings as JSON
  --help      this text

Exit codes: 0 nothing fatal, 1 something fatal, 2 it could not be done.
`;

/** What the command works on. */
export interface ReconcileCommand extends Omit<ReconcileOptions, 'policies' | 'lock'> {
  /** Makes a server like the one that serves. */
  readonly server: () => GuardableServer | Promise<GuardableServer>;
  readonly policies: () => Promise<readonly PolicyDocument[]>;
  /** The lock file's path. It belongs into Git. */
  readonly lockFile: string;
  /** @defaultValue the process's own */
  readonly argv?: readonly string[] | undefined;
  /** @defaultValue standard output */
  readonly print?: ((text: string) => void) | undefined;
}

/**
 * A command for CI: prints the findings, and says by its exit code whether any is fatal.
 *
 * @returns the exit code
 */
export async function reconcileCommand(command: ReconcileCommand): Promise<0 | 1 | 2> {
  const { server, policies, lockFile, argv = process.argv.slice(2), ...options } = command;
  const print = command.print ?? ((text) => process.stdout.write(text));
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        update: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      print(help);
      return 0;
    }
    const reviewed = values.update ? undefined : ((await readLock(lockFile)) ?? {});
    const { findings, lock } = await reconcile(await server(), {
      ...options,
      policies: await policies(),
      lock: reviewed,
    });
    if (values.update) await writeLock(lockFile, lock);
    const fatal = findings.some(({ level }) => level === 'error');
    if (values.json) print(`${JSON.stringify({ ok: !fatal, findings })}\n`);
    else {
      if (findings.length > 0) print(`${formatFindings(findings)}\n`);
      print(`${String(Object.keys(lock).length)} tools, ${String(findings.length)} findings.\n`);
      if (values.update) print(`Wrote ${lockFile}.\n`);
    }
    return fatal ? 1 : 0;
  } catch (error) {
    const detail = error instanceof PortcullisError && error.detail !== undefined ? `\n${error.detail}` : '';
    console.error(`reconcile: ${error instanceof Error ? error.message : String(error)}${detail}`);
    return 2;
  }
}
