import { quoteIdentifier, quoteLiteral } from '../../postgres/quote.js';
import { policySql } from '../../postgres/rls/conforming-sql.js';
import { holders } from '../../postgres/rls/holders.js';
import { tenantIndexSql } from '../../postgres/rls/tenant-index.js';
import type { TakenLock } from '../adoption-step.js';
import { addForeignKey, adoptedForeignKeys, dropForeignKey, pairedForeignKey } from './foreign-keys.js';
import { qualified } from './qualified.js';
import type { RowsTarget } from './rows-target.js';
import type { TableFacts } from './table-facts.js';
import { extendedIndex, findsTenant, needsTenant, replaceIndex } from './unique-keys.js';

/** How far a table is: what has been done last. */
export const phaseNames = ['columns', 'indexes', 'keys', 'references', 'policies'] as const;

export type PhaseName = (typeof phaseNames)[number];

/** One part of the way: a transaction for each table, or one for all of them. */
export interface Phase {
  readonly name: PhaseName;
  readonly together: boolean;
  readonly lock: Omit<TakenLock, 'what'>;
  /** The statements for one table. Where `together`, those of all tables run part by part. */
  statements(facts: TableFacts): readonly (readonly string[])[];
}

/**
 * The way of the tables, from nobody's to a tenant's. What takes long runs without keeping anybody from reading; what
 * keeps everybody out changes the catalog alone.
 *
 * A column with a constant default is in the catalog at once and in no row, so that nothing is written anew.
 *
 * @see https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
 * @see https://www.postgresql.org/docs/current/explicit-locking.html
 */
export function adoptionPhases(all: readonly TableFacts[], target: RowsTarget): readonly Phase[] {
  return [
    {
      name: 'columns',
      together: false,
      lock: { lock: 'ACCESS EXCLUSIVE', until: 'milliseconds, whatever the size: nobody reads or writes' },
      statements: (facts) => [columnSql(facts, target)],
    },
    {
      name: 'indexes',
      together: false,
      lock: {
        lock: 'SHARE ROW EXCLUSIVE',
        until: 'all rows are read and the indexes built, which grows with the table: others read, nobody writes',
      },
      statements: (facts) => [indexSql(facts, target)],
    },
    {
      name: 'keys',
      together: true,
      lock: { lock: 'ACCESS EXCLUSIVE', until: 'milliseconds, whatever the size: nobody reads or writes' },
      statements: (facts) => keySql(facts, all, target),
    },
    {
      name: 'references',
      together: false,
      lock: {
        lock: 'SHARE UPDATE EXCLUSIVE',
        until: 'all references are looked at, which grows with the table: others read and write',
      },
      statements: (facts) => [referenceSql(facts, all)],
    },
    {
      name: 'policies',
      together: true,
      lock: {
        lock: 'ACCESS EXCLUSIVE',
        until: 'milliseconds, whatever the size: from here on rows are the tenant’s alone',
      },
      statements: (facts) => [securitySql(facts, target)],
    },
  ];
}

/** The constraint that no row is the empty tenant's, as `verify` looks for it. */
const named = 'portcullis_tenant_named';

function columnSql(facts: TableFacts, { tenant, tenantColumn }: RowsTarget): readonly string[] {
  const table = qualified(facts);
  const column = quoteIdentifier(tenantColumn);
  return [
    `ALTER TABLE ${table} ADD COLUMN ${column} text NOT NULL DEFAULT ${quoteLiteral(tenant)};`,
    `ALTER TABLE ${table} ADD CONSTRAINT ${named} CHECK (${column} <> '') NOT VALID;`,
  ];
}

function indexSql(facts: TableFacts, target: RowsTarget): readonly string[] {
  const column = quoteIdentifier(target.tenantColumn);
  return [
    `ALTER TABLE ${qualified(facts)} VALIDATE CONSTRAINT ${named};`,
    ...facts.indexes.filter(needsTenant).flatMap((index) => extendedIndex(facts, index, target) ?? []),
    ...(findsTenant(facts) ? [] : [tenantIndexSql(facts.table, qualified(facts), column)]),
  ];
}

/** Three parts, each for all tables before the next one: references hang on keys. */
function keySql(facts: TableFacts, all: readonly TableFacts[], target: RowsTarget): readonly (readonly string[])[] {
  const foreign = adoptedForeignKeys(facts, all);
  return [
    foreign.map((key) => dropForeignKey(facts, key)),
    facts.indexes.filter(needsTenant).flatMap((index) => replaceIndex(facts, index)),
    foreign.flatMap((key) => addForeignKey(facts, key, `${pairedForeignKey(key.foreign, target) ?? ''} NOT VALID`)),
  ];
}

/** Before row-level security is on: the owner, whom it will bind, would look at no rows. */
function referenceSql(facts: TableFacts, all: readonly TableFacts[]): readonly string[] {
  return adoptedForeignKeys(facts, all)
    .filter(({ validated }) => validated)
    .map(({ name }) => `ALTER TABLE ${qualified(facts)} VALIDATE CONSTRAINT ${quoteIdentifier(name)};`);
}

function securitySql(facts: TableFacts, { tenantColumn, setting, role }: RowsTarget): readonly string[] {
  const table = qualified(facts);
  const to = quoteIdentifier(role);
  return [
    `ALTER TABLE ${table} ALTER COLUMN ${quoteIdentifier(tenantColumn)} SET DEFAULT NULLIF(current_setting(${quoteLiteral(setting)}, true), '');`,
    policySql({ schema: facts.schema, table: facts.table, tenantColumn, setting }),
    `REVOKE ALL ON TABLE ${table} FROM ${holders(role)};`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE ${table} TO ${to};`,
    ...facts.sequences.map(
      ({ schema, name }) => `GRANT USAGE ON SEQUENCE ${quoteIdentifier(schema)}.${quoteIdentifier(name)} TO ${to};`,
    ),
  ];
}
