import { PortcullisError } from '@portcullis/core';
import { allTrails } from '../trail/checkpoint.js';
import type { TrailRemoval, TrailStore } from '../trail/store.js';
import { append } from './append.js';
import { migrateTrails, quoted, type AuditRoles } from './migrations.js';
import { pagesOfCheckpoints, pagesOfRecords } from './pages.js';
import { findText } from './find-text.js';
import { headColumns, headsOf, recordsOf, stateColumns, statesOf, trailNames } from './rows.js';
import { keepCheckpoints, removeBeginning } from './checkpoint-rows.js';
import { inTransaction, sqlState, unavailable, type AuditPool, type Run } from './transaction.js';

/** How trails are kept in PostgreSQL. */
export interface PostgresTrailsOptions {
  /** The schema of the tables. @defaultValue `portcullis_audit` */
  readonly schema?: string | undefined;
  /** For one step, with all of its statements, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number | undefined;
  /** For `migrate`, and for the removal of what is past its time, in milliseconds. @defaultValue 60 000 */
  readonly maintenanceTimeoutMs?: number | undefined;
}

/** Trails in PostgreSQL, and what they need there. */
export interface PostgresTrails extends TrailStore {
  /** Where the tables say that each trail ends: what `verifyTrail` takes as `heads`. */
  heads(): Promise<ReadonlyMap<string, number>>;
  /**
   * Makes the tables, as the role that will own them, and gives others their rights. Can be run again, and by several
   * at once.
   *
   * @throws PortcullisError `audit_unavailable`, `config_invalid` when the tables are newer than this version
   */
  migrate(roles?: AuditRoles): Promise<void>;
}

/**
 * Keeps trails in PostgreSQL. Any number of processes write to them: a trail stays one chain, since whoever adds to it
 * holds the lock of its row until the end.
 *
 * @param pool - of `pg`; it stays yours to end
 * @example
 * ```ts
 * import pg from 'pg';
 * import { postgresTrails } from '@portcullis/audit/postgres';
 *
 * const pool = new pg.Pool({ connectionString: 'postgresql://gate@localhost/audit' });
 * const store = postgresTrails(pool);
 * console.log(typeof store.append); // prints: function
 * await pool.end();
 * ```
 */
export function postgresTrails(pool: AuditPool, options: PostgresTrailsOptions = {}): PostgresTrails {
  const { schema: name = 'portcullis_audit', timeoutMs = 5000, maintenanceTimeoutMs = 60_000 } = options;
  for (const [option, value] of Object.entries({ timeoutMs, maintenanceTimeoutMs }))
    if (!(value > 0 && value < 2 ** 31))
      throw new PortcullisError('config_invalid', `the option \`${option}\` is out of range`);
  const schema = quoted(name);
  const write = <T>(work: (run: Run) => Promise<T>): Promise<T> => inTransaction({ pool, timeoutMs }, work);
  const read = <T>(work: (run: Run) => Promise<T>): Promise<T> =>
    inTransaction({ pool, timeoutMs, readOnly: true }, work);

  /** Runs work that locks the rows of trails, and makes those that are missing. */
  async function locking<T>(names: readonly string[], work: (run: Run) => Promise<T | 'missing'>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const result = await again(() => write(work));
      if (result !== 'missing') return result;
      if (attempt >= 3) throw unavailable(undefined, 'the trails cannot be made');
      // In a step of its own, before any row is locked: two that make the same trails never wait for each other crosswise.
      await write((run) =>
        run(`INSERT INTO ${schema}.heads (trail) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`, [names]),
      );
    }
  }

  async function removed(removal: TrailRemoval): Promise<boolean> {
    const undone = new PortcullisError('conflict');
    try {
      return await inTransaction({ pool, timeoutMs: maintenanceTimeoutMs }, async (run) => {
        if (await removeBeginning(run, schema, removal)) return true;
        throw undone;
      });
    } catch (error) {
      if (error === undone) return false;
      throw error;
    }
  }

  return {
    migrate: (roles = {}) =>
      inTransaction({ pool, timeoutMs: maintenanceTimeoutMs }, (run) => migrateTrails(run, name, roles)),
    append: (batch) =>
      again(() => {
        const startedAt = performance.now();
        return inTransaction({ pool, timeoutMs, single: true }, (run) =>
          // The server gives up before this process does.
          append(run, schema, batch, (timeoutMs - (performance.now() - startedAt)) * 0.8),
        );
      }),
    unsigned: (atLeast, limit) =>
      read(async (run) =>
        statesOf(
          await run(
            `SELECT ${stateColumns} FROM ${schema}.heads WHERE seq - checkpoint_seq >= $1 AND trail <> $3 ORDER BY trail LIMIT $2`,
            [atLeast, limit, allTrails],
          ),
        ),
      ),
    state: (trail) =>
      read(async (run) => {
        const [state] = statesOf(await run(`SELECT ${stateColumns} FROM ${schema}.heads WHERE trail = $1`, [trail]));
        return state ?? { trail, seq: 0, hash: null, checkpoint: { n: 0, seq: 0, digest: null } };
      }),
    putCheckpoints: (checkpoints) => {
      const names = checkpoints.map(({ trail }) => trail).sort();
      return locking(names, (run) => keepCheckpoints(run, schema, checkpoints));
    },
    find: (query) =>
      read(async (run) => {
        const { text, values } = findText(schema, query);
        return recordsOf(await run(text, values));
      }),
    records: (range = {}) => pagesOfRecords(read, schema, range),
    checkpoints: (trail) => pagesOfCheckpoints(read, schema, trail),
    trails: () =>
      read(async (run) =>
        trailNames(await run(`SELECT trail FROM ${schema}.heads WHERE trail <> $1 ORDER BY trail`, [allTrails])),
      ),
    heads: () =>
      read(async (run) => {
        const rows = await run(`SELECT ${headColumns} FROM ${schema}.heads WHERE trail <> $1`, [allTrails]);
        return new Map([...headsOf(rows)].map(([trail, { seq }]) => [trail, seq]));
      }),
    remove: removed,
    close: () => Promise.resolve(),
  };
}

/** Tries again what the server undid because of another transaction. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= 3 || !isWorthAnother(error)) throw error;
    }
  }
}

/** The server undid it because of another transaction: nothing was kept. */
function isWorthAnother(error: unknown): boolean {
  const state = error instanceof PortcullisError ? sqlState(error.cause) : undefined;
  return state === '40001' || state === '40P01';
}
