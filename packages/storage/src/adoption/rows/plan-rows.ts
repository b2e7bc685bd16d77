import type { TenantSql } from '../../postgres/tenant-sql.js';
import type { AdoptionAction, AdoptionCall, AdoptionPlan, Obstacle, TakenLock } from '../adoption-step.js';
import type { RowsWork } from './rows-work.js';
import type { AdoptedRecord } from './adopted-tables.js';
import { adoptionPhases, phaseNames, type Phase } from './adoption-phases.js';
import { qualified } from './qualified.js';
import { ownRecords } from './run-phases.js';
import { tableFacts, type TableFacts } from './table-facts.js';
import { tableObstacles } from './table-obstacles.js';
import { undoSql } from './undo-sql.js';

/** Says what an action would do: the statements, the locks, how much there is. */
export function planRows(work: RowsWork, call: AdoptionCall, action: AdoptionAction): Promise<AdoptionPlan> {
  return work.transaction(call, async (sql) => {
    const records = await ownRecords(sql, work, call);
    const counts = await sizes(sql, work);
    switch (action) {
      case 'run':
        return planOfRun(sql, work, call, records, counts);
      case 'finish':
        return { does: ['proves the isolation once more; there is nothing to delete'], counts, obstacles: [] };
      case 'undo': {
        const { open, restore } = undoSql(records, work.target(call.tenant));
        return {
          does: ['makes the tables what they were, if there are no rows of other tenants in them'],
          counts: { ...counts, tables: records.length },
          obstacles: [],
          locks: records.map(({ facts }) => ({
            what: qualified(facts),
            lock: 'ACCESS EXCLUSIVE',
            until: 'keys and references are built anew, which grows with the table: nobody reads or writes',
          })),
          sql: ['BEGIN;', ...open, ...restore, 'COMMIT;'].join('\n'),
        };
      }
    }
  });
}

async function planOfRun(
  sql: TenantSql,
  work: RowsWork,
  call: AdoptionCall,
  records: readonly AdoptedRecord[],
  counts: Readonly<Record<string, number>>,
): Promise<AdoptionPlan> {
  const target = work.target(call.tenant);
  const recordOf = (facts: TableFacts): AdoptedRecord | undefined =>
    records.find((each) => qualified(each.facts) === qualified(facts));
  const all: TableFacts[] = [];
  const fresh: TableFacts[] = [];
  for (const name of work.tables) {
    const known = records.find(({ facts }) => qualified(facts) === qualified(name));
    const facts = known?.facts ?? (await tableFacts(sql, name));
    all.push(facts);
    if (known === undefined) fresh.push(facts);
  }
  const isLeft = (phase: Phase, facts: TableFacts): boolean => {
    const record = recordOf(facts);
    return record === undefined || phaseNames.indexOf(record.phase) < phaseNames.indexOf(phase.name);
  };
  const obstacles = tableObstacles(all, target).filter(({ what }) =>
    fresh.some(({ schema, table }) => `${schema}.${table}` === what),
  );
  const left = adoptionPhases(all, target).map((phase) => ({
    phase,
    tables: all.filter((facts) => isLeft(phase, facts)),
  }));
  return {
    does: [
      `adds \`${target.tenantColumn}\`, keys, policies and the rights of \`${target.role}\` to ${String(all.length)} tables, and proves the isolation`,
    ],
    counts: { tables: all.length, ...counts },
    obstacles: [...(await roleObstacles(sql, target.role)), ...obstacles],
    locks: left.flatMap(({ phase, tables }) =>
      tables.map((facts): TakenLock => ({ what: qualified(facts), ...phase.lock })),
    ),
    sql: obstacles.length > 0 ? undefined : left.flatMap(({ phase, tables }) => scriptOf(phase, tables)).join('\n'),
  };
}

/** The statements as the transactions that they run in. */
function scriptOf(phase: Phase, tables: readonly TableFacts[]): readonly string[] {
  const groups = phase.together ? [tables] : tables.map((facts) => [facts]);
  return groups.flatMap((group) => {
    const parts = group.map((facts) => phase.statements(facts));
    const most = Math.max(0, ...parts.map(({ length }) => length));
    const statements = Array.from({ length: most }, (_, part) => parts.flatMap((each) => each[part] ?? [])).flat();
    const lock = `LOCK TABLE ${group.map(qualified).join(', ')} IN ${phase.lock.lock} MODE;`;
    return statements.length === 0 ? [] : [`-- ${phase.name}`, 'BEGIN;', lock, ...statements, 'COMMIT;'];
  });
}

async function roleObstacles(sql: TenantSql, role: string): Promise<readonly Obstacle[]> {
  const { rows } = await sql.query<{ bound: boolean }>(
    'SELECT NOT (rolsuper OR rolbypassrls) AS bound FROM pg_roles WHERE rolname = $1',
    [role],
  );
  if (rows[0] === undefined) return [{ what: role, why: 'there is no such role' }];
  return rows[0].bound ? [] : [{ what: role, why: 'no policy binds a superuser or a role with BYPASSRLS' }];
}

/** Estimates, as of the last ANALYZE; a table that has never been analyzed is counted. */
async function sizes(sql: TenantSql, { tables }: RowsWork): Promise<Readonly<Record<string, number>>> {
  let [rows, bytes] = [0, 0];
  for (const { schema, table } of tables) {
    const { rows: found } = await sql.query<{ estimate: number; bytes: string }>(
      `SELECT c.reltuples::float8 AS estimate, pg_total_relation_size(c.oid)::text AS bytes
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
      [schema, table],
    );
    const [size] = found;
    bytes += Number(size?.bytes ?? 0);
    if ((size?.estimate ?? 0) >= 0) rows += size?.estimate ?? 0;
    else {
      const counted = await sql.query<{ n: string }>(`SELECT count(*)::text AS n FROM ${qualified({ schema, table })}`);
      rows += Number(counted.rows[0]?.n ?? 0);
    }
  }
  return { rowsEstimated: Math.round(rows), bytes };
}
