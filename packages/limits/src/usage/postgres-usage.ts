import { withDeadline } from '@portcullis/core';
import { z } from 'zod';
import type { UsageEntry } from './usage-entry.js';
import type { UsageStore } from './usage-store.js';

/** What is asked of a pool: `pg`'s has it, and PGlite. */
export interface UsagePool {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** How usage in PostgreSQL is kept. */
export interface PostgresUsageOptions {
  /** How long one statement may take, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number | undefined;
}

/** Usage in a database, and what it needs there. */
export interface PostgresUsage extends UsageStore {
  /** Runs `usageMigration`. Can be run again, also by several at one time. */
  install(): Promise<void>;
}

/**
 * The tables: `portcullis.usage` with a row for each tenant, user, tool and day, and `portcullis.usage_writers` with
 * the last batch of each writer. For your own migrations, or for `install()`.
 */
export const usageMigration = `
  SELECT pg_advisory_xact_lock(hashtextextended('portcullis:portcullis', 0));
  CREATE SCHEMA IF NOT EXISTS portcullis;
  REVOKE ALL ON SCHEMA portcullis FROM PUBLIC;
  CREATE TABLE IF NOT EXISTS portcullis.usage (
    tenant text COLLATE "C" NOT NULL,
    day date NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    tool text COLLATE "C" NOT NULL,
    allowed bigint NOT NULL,
    denied bigint NOT NULL,
    limited bigint NOT NULL,
    errors bigint NOT NULL,
    latency_micros bigint NOT NULL,
    latency_max_micros bigint NOT NULL,
    latency jsonb NOT NULL,
    PRIMARY KEY (tenant, day, user_id, tool));
  CREATE TABLE IF NOT EXISTS portcullis.usage_writers (
    writer uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now());`;

/**
 * Usage in PostgreSQL. A batch is one statement, which adds it once: the writer's sequence and the counts are written
 * together or not at all.
 *
 * @param pool - connects as a role that may read and write the two tables: not the application's, nor any tenant's
 * @example
 * ```ts
 * import pg from 'pg';
 * import { postgresUsage } from '@portcullis/limits/postgres';
 *
 * const pool = new pg.Pool({ connectionString: 'postgresql://usage@localhost/app' });
 * const usage = postgresUsage(pool);
 * await pool.end();
 * ```
 */
export function postgresUsage(pool: UsagePool, { timeoutMs = 5000 }: PostgresUsageOptions = {}): PostgresUsage {
  const run = async (text: string, values?: unknown[]): Promise<readonly unknown[]> =>
    (await withDeadline(pool.query(text, values), timeoutMs)).rows;
  return {
    async install() {
      await run(usageMigration);
    },
    async add({ writer, sequence, entries }) {
      await run(addText, [writer, sequence, JSON.stringify(entries)]);
    },
    async *read(tenant, from, to) {
      // Page by page, each beginning after the last row of the one before.
      for (let after: UsageEntry | undefined; ;) {
        const { day, user, tool } = after ?? { day: from, user: '', tool: '' };
        const rows = await run(readText, [tenant, from, to, day, user, tool, after !== undefined, pageRows]);
        const page = rows.map((row) => ({ tenant, ...storedRow.parse(row) }));
        yield* page;
        after = page.at(-1);
        if (after === undefined || page.length < pageRows) return;
      }
    },
  };
}

const pageRows = 2000;

const addText = `
  WITH fresh AS (
    INSERT INTO portcullis.usage_writers AS known (writer, sequence) VALUES ($1::uuid, $2::bigint)
    ON CONFLICT (writer) DO UPDATE SET sequence = EXCLUDED.sequence, written_at = now()
      WHERE known.sequence < EXCLUDED.sequence
    RETURNING 1)
  INSERT INTO portcullis.usage AS known
    (tenant, day, user_id, tool, allowed, denied, limited, errors, latency_micros, latency_max_micros, latency)
  SELECT entry.tenant, entry.day, entry."user", entry.tool, entry.allowed, entry.denied, entry.limited, entry.errors,
    entry."latencyMicros", entry."latencyMaxMicros", entry.latency
  FROM fresh, jsonb_to_recordset($3::jsonb) AS entry (tenant text, day date, "user" text, tool text, allowed bigint,
    denied bigint, limited bigint, errors bigint, "latencyMicros" bigint, "latencyMaxMicros" bigint, latency jsonb)
  -- Always in one order, so that two replicas never wait for one another in a circle.
  ORDER BY 1, 2, 3, 4
  ON CONFLICT (tenant, day, user_id, tool) DO UPDATE SET
    allowed = known.allowed + EXCLUDED.allowed,
    denied = known.denied + EXCLUDED.denied,
    limited = known.limited + EXCLUDED.limited,
    errors = known.errors + EXCLUDED.errors,
    latency_micros = known.latency_micros + EXCLUDED.latency_micros,
    latency_max_micros = greatest(known.latency_max_micros, EXCLUDED.latency_max_micros),
    latency = (
      SELECT coalesce(jsonb_object_agg(bucket, total), '{}') FROM (
        SELECT key AS bucket, sum(value::bigint) AS total
        FROM (SELECT * FROM jsonb_each_text(known.latency) UNION ALL SELECT * FROM jsonb_each_text(EXCLUDED.latency)) AS parts
        GROUP BY key) AS totals)`;

const readText = `
  SELECT day::text AS day, user_id, tool, allowed::text, denied::text, limited::text, errors::text,
    latency_micros::text, latency_max_micros::text, latency::text
  FROM portcullis.usage
  WHERE tenant = $1 AND day BETWEEN $2::date AND $3::date
    AND (NOT $7::boolean OR (day, user_id, tool) > ($4::date, $5, $6))
  ORDER BY day, user_id, tool LIMIT $8::int`;

const whole = z.coerce.number().int().nonnegative();
const storedRow = z
  .object({
    ...{ day: z.iso.date(), user_id: z.string(), tool: z.string() },
    ...{ allowed: whole, denied: whole, limited: whole, errors: whole },
    ...{ latency_micros: whole, latency_max_micros: whole, latency: z.string() },
  })
  .transform(
    ({ user_id: user, latency_micros: latencyMicros, latency_max_micros: latencyMaxMicros, latency, ...row }) => ({
      ...row,
      ...{ user, latencyMicros, latencyMaxMicros },
      latency: z.record(z.string(), whole).parse(JSON.parse(latency)),
    }),
  );
