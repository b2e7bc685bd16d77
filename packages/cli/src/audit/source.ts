import { open, readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { readTrailFile, type CheckpointKey, type TrailLines } from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { UsageError } from '../command.js';

/** Trails to read: of a file or of a database, and where the database says that they end. */
export interface TrailSource extends TrailLines {
  heads(): Promise<ReadonlyMap<string, number> | undefined>;
  close(): Promise<void>;
}

/** What all commands about trails say of where they are. */
export const sourceHelp = `  PATH               a folder with trails.jsonl, or such a file; without, PostgreSQL at DATABASE_URL
  --schema NAME      the schema of the tables (default: portcullis_audit)
`;

/**
 * Opens trails for reading.
 *
 * @throws UsageError without a path and without `DATABASE_URL`
 * @throws Error when the path cannot be read
 */
export async function openSource(path: string | undefined, schema: string | undefined): Promise<TrailSource> {
  if (path !== undefined) {
    // What is not there is an error here, and not an empty trail.
    if ((await stat(path)).isDirectory()) await stat(`${path}/trails.jsonl`);
    const file = readTrailFile(path);
    return { ...file, heads: () => Promise.resolve(undefined), close: () => Promise.resolve() };
  }
  const url = process.env['DATABASE_URL'];
  if (url === undefined || url === '') throw new UsageError('name a path, or set DATABASE_URL');
  const { default: pg } = await import('pg');
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 10_000 });
  pool.on('error', () => undefined);
  const store = postgresTrails(pool, { schema, timeoutMs: 60_000 });
  return { ...store, heads: () => store.heads(), close: () => pool.end() };
}

const key = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().length(43),
  kid: z.string(),
});
const keyFile = z.union([
  z.looseObject({ keys: z.array(key).min(1) }).transform(({ keys }) => keys),
  key.transform((one) => [one]),
]);

/**
 * Reads public keys: a JSON Web Key Set, or one key.
 *
 * @throws UsageError when the file has none
 */
export async function readKeys(path: string): Promise<readonly CheckpointKey[]> {
  const parsed = keyFile.safeParse(jsonOf(await readFile(path, 'utf8')));
  if (!parsed.success) throw new UsageError(`\`${path}\` has no public Ed25519 JSON Web Keys with a \`kid\``);
  return parsed.data.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid }));
}

/** Reads published checkpoints: one a line. */
export async function readAnchors(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'utf8'))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** Whether a file is a bundle: its first line says so. */
export async function isBundle(path: string): Promise<boolean> {
  if ((await stat(path)).isDirectory()) return false;
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.subarray(0, bytesRead).toString().startsWith('{"bundle":"portcullis-audit"');
  } finally {
    await file.close();
  }
}

/** Reads a time: ISO 8601. */
export function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time)) throw new UsageError(`--${name}: \`${text}\` is no ISO 8601 date`);
  return time;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
