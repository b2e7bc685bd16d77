import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { GRPC } from '@cerbos/grpc';
import { ServiceStatus } from '@cerbos/core';
import { PortcullisError, type Attributes } from '@portcullis/core';

/** One line that the engine logged. */
export interface EngineLog {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A running engine. */
export interface EngineProcess {
  /** The address of its private socket. */
  readonly target: string;
  /** The process id of its supervisor. */
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** How an engine is started. */
export interface EngineOptions {
  readonly binary: string;
  /** A folder of its own, which is removed when it ends, inside one that is removed if this process dies. */
  readonly folder: string;
  readonly policies: string;
  readonly schemaEnforcement: 'none' | 'warn' | 'reject';
  readonly globals: Attributes;
  readonly startTimeoutMs: number;
  readonly onLog: (log: EngineLog) => void;
}

/**
 * Runs the engine and outlives nobody: it ends the engine as soon as the pipe from its parent closes. The system
 * closes that pipe however the parent ends, `kill -9` included. A parent that closes it on purpose says so first, and
 * cleans up itself; otherwise everything that it kept on disk is removed as well.
 */
const supervisor = `
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
engine=$!
( said=$(cat); kill -9 "$engine"; rm -rf "$folder"; [ -n "$said" ] || rm -rf "$(dirname "$folder")" ) <&3 3<&- >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$engine"
code=$?
kill -9 "$reader" 2>/dev/null
rm -rf "$folder"
exit "$code"
`;

/**
 * Starts an engine on a private unix socket and waits until it is healthy.
 *
 * @throws PortcullisError `pdp_unavailable` when it does not get healthy in time
 */
export async function startEngine(options: EngineOptions): Promise<EngineProcess> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const config = join(folder, 'config.yaml');
  const socket = join(folder, 'g');
  // JSON is YAML in which every name is in quotes: unquoted, `on` or `no` among the globals would be a boolean.
  await writeFile(config, JSON.stringify(engineConfig(folder, socket, options)), { mode: 0o600 });
  const child = spawn(
    '/bin/sh',
    ['-c', supervisor, 'portcullis-pdp', folder, options.binary, 'server', `--config=${config}`, '--log-level=warn'],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      // A terminal's Ctrl-C is for the application, which may want to finish its calls first.
      detached: true,
      env: { PATH: '/usr/bin:/bin', HOME: folder, TMPDIR: folder },
    },
  );
  child.unref();
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
    child.once('error', () => {
      resolve();
    });
  });
  const recent: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      recent.push(line);
      if (recent.length > 20) recent.shift();
      options.onLog(readLog(line));
    });
  }
  child.stdin.on('error', () => undefined);
  const engine: EngineProcess = {
    target: `unix:${socket}`,
    pid: child.pid ?? -1,
    ended,
    stop: () => stop(child, ended),
  };
  await waitUntilHealthy(engine, options.startTimeoutMs, recent);
  unrefPipes(child);
  return engine;
}

function engineConfig(
  folder: string,
  socket: string,
  { policies, schemaEnforcement, globals }: EngineOptions,
): unknown {
  return {
    server: { grpcListenAddr: `unix:${socket}`, httpListenAddr: `unix:${join(folder, 'h')}` },
    telemetry: { disabled: true },
    // Without it, a tenant that has no policy of its own would be denied everything.
    engine: { lenientScopeSearch: true, globals },
    schema: { enforcement: schemaEnforcement },
    storage: { driver: 'disk', disk: { directory: policies, watchForChanges: false } },
  };
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.ref();
  child.stdin?.end('stop');
  await ended;
}

async function waitUntilHealthy(engine: EngineProcess, timeoutMs: number, recent: readonly string[]): Promise<void> {
  const client = new GRPC(engine.target, {
    tls: false,
    channelOptions: {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 100,
      'grpc.use_local_subchannel_pool': 1,
    },
  });
  const over = new AbortController();
  void engine.ended.then(() => over.abort());
  const until = performance.now() + timeoutMs;
  try {
    while (performance.now() < until && !over.signal.aborted) {
      const health = await client.checkHealth({}, { signal: AbortSignal.timeout(500) }).catch(() => undefined);
      if (health?.status === ServiceStatus.SERVING) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  } finally {
    client.close();
  }
  await engine.stop();
  throw new PortcullisError('pdp_unavailable', 'the engine did not start', { detail: recent.join('\n').slice(-2000) });
}

/** A sidecar that nobody waits for does not keep the process alive. */
function unrefPipes(child: ChildProcess): void {
  for (const pipe of [child.stdin, child.stdout, child.stderr]) {
    if (pipe instanceof Socket) pipe.unref();
  }
}

function readLog(line: string): EngineLog {
  try {
    const fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
    const { 'log.level': level, message } = fields;
    return {
      level: typeof level === 'string' ? level : 'info',
      message: typeof message === 'string' ? message : line,
      fields,
    };
  } catch {
    return { level: 'info', message: line, fields: {} };
  }
}
