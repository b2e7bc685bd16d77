import { quoteIdentifier, quoteLiteral } from '../../postgres/quote.js';
import { qualified } from './qualified.js';
import type { RowsTarget } from './rows-target.js';
import type { TableFacts } from './table-facts.js';

type Constraint = TableFacts['constraints'][number];
type ForeignKey = NonNullable<Constraint['foreign']>;

const actions: Readonly<Record<string, string>> = {
  a: 'NO ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
};

/**
 * The definition of a foreign key with the tenants paired, so that a row refers to rows of its own tenant alone.
 *
 * @returns `undefined` for one that cannot be: an update or an older server would set the tenant, too
 */
export function pairedForeignKey(key: ForeignKey, target: RowsTarget): string | undefined {
  const tenant = quoteIdentifier(target.tenantColumn);
  const onUpdate = actions[key.onUpdate];
  const onDelete = actions[key.onDelete];
  if (onUpdate === undefined || onDelete === undefined || key.onUpdate === 'n' || key.onUpdate === 'd')
    return undefined;
  // Of one column, a full match and a simple one are the same; with the tenant beside it they are not.
  if (key.match === 'p' || (key.match === 'f' && key.columns.length > 1)) return undefined;
  const sets = key.onDelete === 'n' || key.onDelete === 'd';
  const set = sets
    ? ` (${(key.setColumns.length > 0 ? key.setColumns : key.columns).map(quoteIdentifier).join(', ')})`
    : '';
  const columns = (names: readonly string[]): string => [tenant, ...names.map(quoteIdentifier)].join(', ');
  const deferral = key.deferrable ? (key.deferred ? ' DEFERRABLE INITIALLY DEFERRED' : ' DEFERRABLE') : '';
  return (
    `FOREIGN KEY (${columns(key.columns)}) REFERENCES ${qualified(key)} (${columns(key.otherColumns)})` +
    ` ON UPDATE ${onUpdate} ON DELETE ${onDelete}${set}${deferral}`
  );
}

/** The foreign keys of a table that lead to adopted tables. */
export function adoptedForeignKeys(
  facts: TableFacts,
  all: readonly TableFacts[],
): readonly (Constraint & { readonly foreign: ForeignKey })[] {
  return facts.constraints.flatMap((constraint) => {
    const { foreign } = constraint;
    const leads = all.some(({ schema, table }) => schema === foreign?.schema && table === foreign.table);
    return foreign !== null && leads ? [{ ...constraint, foreign }] : [];
  });
}

/** Drops a foreign key, however it is at present. */
export function dropForeignKey(facts: TableFacts, { name }: Constraint): string {
  return `ALTER TABLE ${qualified(facts)} DROP CONSTRAINT IF EXISTS ${quoteIdentifier(name)};`;
}

/** Adds a foreign key, with the comment that it had. */
export function addForeignKey(facts: TableFacts, { name, comment }: Constraint, definition: string): readonly string[] {
  const named = `${quoteIdentifier(name)} ON ${qualified(facts)}`;
  return [
    `ALTER TABLE ${qualified(facts)} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition};`,
    ...(comment === null ? [] : [`COMMENT ON CONSTRAINT ${named} IS ${quoteLiteral(comment)};`]),
  ];
}
