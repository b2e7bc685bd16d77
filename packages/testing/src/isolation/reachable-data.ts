import fc from 'fast-check';
import { belongings } from './interleaving.js';
import { scenario, type Scenario } from './scenario.js';
import type { Stage } from './stage.js';
import type { SqlSurface } from './subject.js';
import type { IsolationTrap } from './traps.js';

/**
 * Everything outside of PostgreSQL's own schemas that the role of a unit of work may read, and what it is.
 *
 * @see https://www.postgresql.org/docs/current/catalog-pg-class.html
 */
const relations = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name,
         CASE WHEN c.relispartition THEN 'partition' ELSE c.relkind::text END AS kind
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
  ORDER BY 1`;

/** Functions with their owner's rights that can be called without arguments. */
const functions = `
  SELECT format('%I.%I()', n.nspname, p.proname) AS name, 'function' AS kind
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prosecdef AND p.prokind = 'f' AND p.pronargs = p.pronargdefaults
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
  ORDER BY 1`;

/**
 * The tenant looks up in the catalog what it may read, and reads it: nobody has to declare the view that was
 * forgotten.
 */
export function reachableData({ background, table, schemaOf }: SqlSurface): Scenario {
  return scenario({
    name: 'sql: whatever the catalog lists',
    traps: ['partition', 'view', 'materialized_view', 'definer_function', 'unprotected_table', 'qualified_name'],
    unavailable: ({ has }) => (has.has('sql') ? undefined : 'the subject’s units of work have no `sql`'),
    runs: 2,
    input: () => fc.constant('catalog'),
    play: async (stage) => {
      await belongings(stage);
      await background?.();
      const [own = ''] = stage.tenants;
      for (const { name, kind } of await catalog(stage, own)) {
        const text = `SELECT * FROM ${name}`;
        stage.world.tally.operations++;
        const outcome = await stage.unit(own, async (store) => store.sql?.(text));
        const found = outcome.done ? outcome.value : outcome.error;
        if ([...stage.values.ownersIn(found)].every((owner) => owner === own)) continue;
        stage.say(`${own}: ${text}`);
        const isTable = kind === 'r' || kind === 'p';
        const elsewhere = schemaOf !== undefined && isTable && name.endsWith(`.${table}`);
        stage.inspect(elsewhere ? 'qualified_name' : trapOf(kind), own, found, 'the statement');
      }
    },
  });
}

interface Entry {
  readonly name: string;
  readonly kind: string;
}

async function catalog(stage: Stage, name: string): Promise<readonly Entry[]> {
  const outcome = await stage.unit(name, async (store) => [
    ...((await store.sql?.(relations)) ?? []),
    ...((await store.sql?.(functions)) ?? []),
  ]);
  if (!outcome.done) return [];
  return outcome.value.filter(
    (row): row is Entry => typeof row === 'object' && row !== null && 'name' in row && 'kind' in row,
  );
}

function trapOf(kind: string): IsolationTrap {
  if (kind === 'partition') return 'partition';
  if (kind === 'v') return 'view';
  if (kind === 'm') return 'materialized_view';
  if (kind === 'function') return 'definer_function';
  return 'unprotected_table';
}
