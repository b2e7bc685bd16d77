import type { SqlNames } from './sql-text.js';
import type { IsolationTrap } from './traps.js';

/** A statement with its values. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** Whom a statement is for. */
export interface Attack {
  readonly names: SqlNames;
  readonly own: string;
  readonly other: string;
  /** A new value of the attacker's. */
  readonly value: () => string;
}

/** Statements that one unit of work of a tenant's runs, one after the other, whatever comes of each. */
export interface HostileStatements {
  readonly name: string;
  readonly trap: IsolationTrap;
  readonly statements: (attack: Attack) => readonly Statement[];
  /** What another tenant's unit of work runs after that, on every connection. */
  readonly next?: ((attack: Attack) => readonly Statement[]) | undefined;
  /** Whether it is about tables that tenants share, or about schemas. @defaultValue both */
  readonly on?: 'shared' | 'schemas' | undefined;
}

/** Statements on what a tenant may name. */
export const readingStatements: readonly HostileStatements[] = [
  {
    name: 'a query without a condition',
    trap: 'read_without_filter',
    statements: ({ names: { table } }) => [
      { text: `SELECT * FROM ${table}` },
      { text: `TABLE ${table}` },
      { text: `SELECT string_agg(t::text, ' ') FROM ${table} t` },
    ],
  },
  {
    name: 'a query that names the other tenant',
    trap: 'read_of_other',
    on: 'shared',
    statements: ({ names, other }) => [
      { text: `SELECT * FROM ${names.table} WHERE ${names.tenant ?? ''} = $1`, values: [names.idOf(other)] },
      { text: `SELECT * FROM ${names.table} WHERE ${names.tenant ?? ''} = $1 OR 1 = 1`, values: [names.idOf(other)] },
    ],
  },
  {
    name: 'a query whose error shows what it read',
    trap: 'error_text',
    statements: ({ names: { table, value } }) => [{ text: `SELECT * FROM ${table} WHERE ${value}::integer = 0` }],
  },
  {
    name: 'a qualified name in a query',
    trap: 'qualified_name',
    on: 'schemas',
    statements: ({ names, other }) => [{ text: `SELECT * FROM ${names.qualified?.(other) ?? ''}` }],
  },
  {
    name: 'the planner’s statistics',
    trap: 'statistics',
    statements: () => [
      { text: 'SELECT most_common_vals::text, histogram_bounds::text FROM pg_catalog.pg_stats' },
      { text: 'SELECT * FROM pg_catalog.pg_statistic' },
    ],
  },
];

/** Statements that change what a tenant may name. */
export const writingStatements: readonly HostileStatements[] = [
  {
    name: 'an INSERT with the other tenant’s id',
    trap: 'write_as_other',
    on: 'shared',
    statements: ({ names: { table, tenant = '', key, value, idOf }, other, value: next }) => [
      {
        text: `INSERT INTO ${table} (${tenant}, ${key}, ${value}) VALUES ($1, 'planted', $2)`,
        values: [idOf(other), next()],
      },
    ],
  },
  {
    name: 'an UPDATE that gives a row to the other tenant',
    trap: 'write_as_other',
    on: 'shared',
    statements: ({ names: { table, tenant = '', key, idOf }, other }) => [
      { text: `UPDATE ${table} SET ${tenant} = $1, ${key} = 'moved'`, values: [idOf(other)] },
    ],
  },
  {
    name: 'an INSERT that overwrites the other tenant’s row',
    trap: 'write_to_other',
    on: 'shared',
    statements: ({ names: { table, tenant = '', key, value, idOf }, other, value: next }) => [
      {
        text: `INSERT INTO ${table} (${tenant}, ${key}, ${value}) VALUES ($1, 'k', $2) ON CONFLICT (${tenant}, ${key}) DO UPDATE SET ${value} = excluded.${value}`,
        values: [idOf(other), next()],
      },
    ],
  },
  {
    name: 'an UPDATE without a condition',
    trap: 'write_without_filter',
    statements: ({ names: { table, value }, value: next }) => [
      { text: `UPDATE ${table} SET ${value} = $1`, values: [next()] },
    ],
  },
  {
    name: 'a DELETE without a condition',
    trap: 'write_without_filter',
    statements: ({ names: { table } }) => [{ text: `DELETE FROM ${table} RETURNING *` }],
  },
  {
    name: 'an UPDATE that names the other tenant',
    trap: 'write_to_other',
    on: 'shared',
    statements: ({ names: { table, tenant = '', value, idOf }, other, value: next }) => [
      { text: `UPDATE ${table} SET ${value} = $2 WHERE ${tenant} = $1 RETURNING *`, values: [idOf(other), next()] },
    ],
  },
  {
    name: 'a DELETE that names the other tenant',
    trap: 'write_to_other',
    on: 'shared',
    statements: ({ names: { table, tenant = '', idOf }, other }) => [
      { text: `DELETE FROM ${table} WHERE ${tenant} = $1`, values: [idOf(other)] },
    ],
  },
  ...(
    [
      ['INSERT', (t, { key, value }) => `INSERT INTO ${t} (${key}, ${value}) VALUES ('planted', $1)`],
      ['UPDATE', (t, { value }) => `UPDATE ${t} SET ${value} = $1`],
      ['DELETE', (t) => `DELETE FROM ${t} WHERE $1 <> ''`],
    ] satisfies readonly (readonly [string, (table: string, names: SqlNames) => string])[]
  ).map(([verb, text]): HostileStatements => ({
    name: `a qualified name in ${verb}`,
    trap: 'qualified_name',
    on: 'schemas',
    statements: ({ names, other, value }) => [{ text: text(names.qualified?.(other) ?? '', names), values: [value()] }],
  })),
  {
    name: 'TRUNCATE and DROP by a qualified name',
    trap: 'qualified_name',
    on: 'schemas',
    statements: ({ names, other }) => [
      { text: `TRUNCATE ${names.qualified?.(other) ?? ''}` },
      { text: `DROP TABLE ${names.qualified?.(other) ?? ''}` },
    ],
  },
  {
    name: 'TRUNCATE',
    trap: 'truncate',
    statements: ({ names: { table } }) => [{ text: `TRUNCATE ${table}` }, { text: `TRUNCATE ${table} CASCADE` }],
  },
];

/** Statements that leave something on the connection, or try to be no tenant at all. */
export const connectionStatements: readonly HostileStatements[] = [
  {
    name: 'a temporary table that is left',
    trap: 'temporary_table',
    statements: ({ names: { table } }) => [
      { text: `CREATE TEMPORARY TABLE leftover AS SELECT * FROM ${table}` },
      { text: `SELECT * INTO TEMPORARY leftover2 FROM ${table}` },
    ],
    next: () => [{ text: 'SELECT * FROM leftover' }, { text: 'SELECT * FROM leftover2' }],
  },
  {
    name: 'a temporary table that shadows the real one',
    trap: 'temporary_table',
    statements: ({ names: { table } }) => {
      const shadow = `pg_temp.${table.slice(table.lastIndexOf('.') + 1)}`;
      return [
        { text: `CREATE TABLE ${shadow} AS SELECT * FROM ${table}` },
        { text: `GRANT ALL ON ${shadow} TO PUBLIC` },
      ];
    },
    next: ({ names: { table } }) => [{ text: `SELECT * FROM ${table}` }],
  },
  {
    name: 'a cursor that is left',
    trap: 'held_cursor',
    statements: ({ names: { table } }) => [
      { text: `DECLARE leftover_cursor CURSOR WITH HOLD FOR SELECT * FROM ${table}` },
    ],
    next: () => [{ text: 'FETCH ALL FROM leftover_cursor' }],
  },
  ...['COMMIT', 'ROLLBACK'].map((end): HostileStatements => ({
    name: `${end}, and a query after it`,
    trap: 'end_of_transaction',
    statements: ({ names: { table, value: column }, value }) => [
      { text: end },
      { text: `SELECT * FROM ${table}` },
      { text: `UPDATE ${table} SET ${column} = $1`, values: [value()] },
    ],
    next: ({ names: { table } }) => [{ text: `SELECT * FROM ${table}` }],
  })),
];

/** Statements of a tenant's own making that try to become another. */
export function switchingStatements(
  untrusted: (otherTenant: string) => readonly string[],
): readonly HostileStatements[] {
  const read = ({ names: { table, qualified }, other }: Attack): readonly Statement[] => [
    { text: `SELECT * FROM ${table}` },
    ...(qualified === undefined ? [] : [{ text: `SELECT * FROM ${qualified(other)}` }]),
  ];
  const general = [
    'RESET ALL',
    'RESET ROLE',
    'RESET SESSION AUTHORIZATION',
    'DISCARD ALL',
    'SET ROLE postgres',
    'SET row_security = off',
  ];
  const inside = (name: string, prepare: (attack: Attack) => readonly Statement[]): HostileStatements => ({
    name,
    trap: 'tenant_switch',
    statements: (attack) => [...prepare(attack), ...read(attack)],
    next: ({ names: { table } }) => [{ text: `SELECT * FROM ${table}` }],
  });
  return [
    ...general.map((text) => inside(text, () => [{ text }])),
    inside('the subject’s own ways to become another', ({ other, names: { idOf } }) =>
      untrusted(other).map((text) => ({ text, ...(text.includes('$1') ? { values: [idOf(other)] } : {}) })),
    ),
    inside('the subject’s own ways to become another, after COMMIT', ({ other, names: { idOf } }) => [
      { text: 'COMMIT' },
      ...untrusted(other).map((text) => ({ text, ...(text.includes('$1') ? { values: [idOf(other)] } : {}) })),
    ]),
  ];
}
