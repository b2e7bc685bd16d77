import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';

/** How a server of a test's own is started. */
export interface RedisOptions {
  /** Writes every change to disk before it is acknowledged, so that `kill` and `restart` lose none. @defaultValue false */
  readonly persist?: boolean | undefined;
  /** With `persist`: `everysec` survives the end of the server, and of the machine up to a second. @defaultValue always */
  readonly fsync?: 'always' | 'everysec' | undefined;
}

/** A Redis server of a test's own. */
export interface RedisServer {
  readonly url: string;
  readonly pid: number;
  /** Ends the server at once, as a crash would. What it had on disk stays: `restart` reads it. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after `kill`. */
  restart(): Promise<void>;
  /** Ends the server and deletes its data. */
  stop(): Promise<void>;
}

/** Whether `redis-server` is installed (Debian: `apt-get install redis-server`). */
export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0;
}

/**
 * Whether tests that need Redis are to be left out. In CI they never are: there a missing server is a failure.
 */
export function skipWithoutRedis(): boolean {
  if (hasRedis() || process.env['CI'] !== undefined) return false;
  console.warn('redis-server is not installed: the tests that need it are skipped');
  return true;
}

/** Starts a Redis server on a free loopback port, in a temporary folder. */
export async function startRedis({ persist = false, fsync = 'always' }: RedisOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-redis-'));
  const port = await freePort();
  const kept = persist ? ['--appendonly', 'yes', '--appendfsync', fsync] : ['--appendonly', 'no'];
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...kept, '--dir', folder];
  let server = await run(settings);
  return {
    url: `redis://127.0.0.1:${String(port)}`,
    get pid() {
      return server.child.pid ?? -1;
    },
    kill: () => end(server, 'SIGKILL'),
    async restart() {
      await end(server, 'SIGKILL');
      server = await run(settings);
    },
    async stop() {
      await end(server, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface RunningServer {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

/** Runs the server until it takes connections. */
async function run(settings: readonly string[]): Promise<RunningServer> {
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => {
      reject(new Error('redis-server ended at once'));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Ready to accept connections')) resolve();
    });
  });
  return { child, ended };
}

async function end({ child, ended }: RunningServer, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await ended;
}
