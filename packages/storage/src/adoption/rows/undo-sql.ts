import { quoteIdentifier } from '../../postgres/quote.js';
import { holders } from '../../postgres/rls/holders.js';
import { addForeignKey, adoptedForeignKeys, dropForeignKey } from './foreign-keys.js';
import { qualified } from './qualified.js';
import type { RowsTarget } from './rows-target.js';
import { everybody, type TableFacts } from './table-facts.js';
import { needsTenant, restoreIndex } from './unique-keys.js';
import { phaseNames, type PhaseName } from './adoption-phases.js';

/** A table that is adopted, or on its way. */
export interface AdoptedTable {
  readonly facts: TableFacts;
  /** What has been done last. */
  readonly phase: PhaseName;
}

/** What makes tables what they were, from wherever they are, in one transaction. */
export interface UndoSql {
  /** Lifts the policies, so that the owner sees whose rows there are. */
  readonly open: readonly string[];
  readonly restore: readonly string[];
}

/** The statements of the way back. What the adoption has not come to is not touched. */
export function undoSql(adopted: readonly AdoptedTable[], target: RowsTarget): UndoSql {
  const all = adopted.map(({ facts }) => facts);
  const reached = (phase: PhaseName): readonly TableFacts[] =>
    adopted.filter((each) => phaseNames.indexOf(each.phase) >= phaseNames.indexOf(phase)).map(({ facts }) => facts);
  const keyed = reached('keys');
  return {
    open: reached('policies').flatMap((facts) => [...openSql(facts), ...rightsSql(facts, target)]),
    restore: [
      ...keyed.flatMap((facts) => adoptedForeignKeys(facts, all).map((key) => dropForeignKey(facts, key))),
      ...keyed.flatMap((facts) => facts.indexes.filter(needsTenant).flatMap((index) => restoreIndex(facts, index))),
      ...keyed.flatMap((facts) =>
        adoptedForeignKeys(facts, all).flatMap((key) => addForeignKey(facts, key, key.definition)),
      ),
      // With it go the constraint and the indexes that have it.
      ...all.map(
        (facts) => `ALTER TABLE ${qualified(facts)} DROP COLUMN IF EXISTS ${quoteIdentifier(target.tenantColumn)};`,
      ),
    ],
  };
}

function openSql(facts: TableFacts): readonly string[] {
  const table = qualified(facts);
  return [
    `DROP POLICY IF EXISTS portcullis_tenant ON ${table};`,
    `DROP POLICY IF EXISTS portcullis_tenant_only ON ${table};`,
    `ALTER TABLE ${table} ${facts.forced ? '' : 'NO '}FORCE ROW LEVEL SECURITY;`,
    `ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY;`,
  ];
}

/** The rights that everybody and the role had, in place of those that the role was given. */
function rightsSql(facts: TableFacts, { role }: RowsTarget): readonly string[] {
  const table = qualified(facts);
  const granted = (grants: TableFacts['grants'], on: string, column?: string): readonly string[] =>
    grants
      .filter(({ grantee }) => grantee === role || grantee === everybody)
      .map(
        ({ grantee, privilege, grantable }) =>
          `GRANT ${privilege}${column === undefined ? '' : ` (${quoteIdentifier(column)})`} ON ${on}` +
          ` TO ${grantee === everybody ? everybody : quoteIdentifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''};`,
      );
  return [
    `REVOKE ALL ON TABLE ${table} FROM ${holders(role)};`,
    ...granted(facts.grants, `TABLE ${table}`),
    ...facts.columns.flatMap(({ name, grants }) => granted(grants, `TABLE ${table}`, name)),
    ...facts.sequences.flatMap(({ schema, name, grants }) => {
      const sequence = `SEQUENCE ${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
      return [`REVOKE ALL ON ${sequence} FROM ${holders(role)};`, ...granted(grants, sequence)];
    }),
  ];
}
