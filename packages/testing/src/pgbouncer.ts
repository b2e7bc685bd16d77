import { spawn, spawnSync } from 'node:child_process';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { unprivileged, type PostgresServer } from './postgres.js';

/** A PgBouncer of a test's own, in transaction mode. */
export interface PgBouncer {
  /** A connection string through the pooler. */
  url(database: string, user: string): string;
  stop(): Promise<void>;
}

/**
 * Whether tests that need PgBouncer (Debian: `apt-get install pgbouncer`) are to be left out. In CI they never are:
 * there a missing one is a failure.
 */
export function skipWithoutPgBouncer(): boolean {
  if (spawnSync('pgbouncer', ['--version']).status === 0 || process.env['CI'] !== undefined) return false;
  console.warn('pgbouncer is not installed: the tests that need it are skipped');
  return true;
}

/**
 * Starts a real PgBouncer in front of a server: transaction mode, so that each transaction may run on another
 * connection.
 *
 * @param poolSize - connections to the server, per database and user
 */
export async function startPgBouncer(server: PostgresServer, poolSize = 2): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-pgbouncer-'));
  const port = await freePort();
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(join(folder, 'users.txt'), ['postgres', 'app'].map((user) => `"${user}" ""\n`).join(''));
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=${server.host} port=${String(server.port)}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${String(port)}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${join(folder, 'users.txt')}`,
      'pool_mode = transaction',
      `default_pool_size = ${String(poolSize)}`,
      'max_client_conn = 500',
      'ignore_startup_parameters = extra_float_digits',
      '',
    ].join('\n'),
  );
  const account = process.getuid?.() === 0 ? { uid: unprivileged, gid: unprivileged } : {};
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  const child = spawn('pgbouncer', [file], { ...account, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      reject(new Error(`PgBouncer did not come up: ${log}`));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
      if (log.includes('process up')) resolve();
    });
  });
  return {
    url: (database, user) => `postgresql://${user}@127.0.0.1:${String(port)}/${database}`,
    async stop() {
      // Asked kindly, it would wait for its clients.
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
