import { quoteIdentifier, quoteLiteral } from '../../postgres/quote.js';
import { asServerWrites, qualified } from './qualified.js';
import type { RowsTarget } from './rows-target.js';
import type { TableFacts } from './table-facts.js';

type Index = TableFacts['indexes'][number];

/** Unique indexes, those of constraints included, are unique over all tenants unless they have the tenant in them. */
export function needsTenant({ unique }: Index): boolean {
  return unique;
}

/**
 * The statement that makes an index like this one with the tenant in front, under another name. The server's own
 * definition is taken as far as the first parenthesis, and nothing of it is understood but that.
 *
 * @returns `undefined` for a definition that does not begin as the server writes it
 */
export function extendedIndex(facts: TableFacts, index: Index, { tenantColumn }: RowsTarget): string | undefined {
  const head = new RegExp(
    `^CREATE UNIQUE INDEX ${asServerWrites(index.name).source} ON ${asServerWrites(facts.schema).source}\\.${asServerWrites(facts.table).source} USING ${asServerWrites(index.method).source} \\(`,
  ).exec(index.definition)?.[0];
  if (head === undefined) return undefined;
  const rest = index.definition.slice(head.length);
  const name = quoteIdentifier(extendedName(index.name));
  return `CREATE UNIQUE INDEX IF NOT EXISTS ${name} ON ${qualified(facts)} USING ${index.method} (${quoteIdentifier(tenantColumn)}, ${rest};`;
}

/** Whether an index with the tenant in front will be there that finds all of a tenant's rows. */
export function findsTenant({ indexes }: TableFacts): boolean {
  return indexes.some((index) => needsTenant(index) && !index.partial && index.method === 'btree');
}

/** Puts the index with the tenant in the place of the old one, under its name and with its comments. */
export function replaceIndex(facts: TableFacts, index: Index): readonly string[] {
  const table = qualified(facts);
  const name = quoteIdentifier(index.name);
  const made = quoteIdentifier(extendedName(index.name));
  const schema = quoteIdentifier(facts.schema);
  if (index.constraint === null)
    return [
      `DROP INDEX ${schema}.${name};`,
      `ALTER INDEX ${schema}.${made} RENAME TO ${name};`,
      ...indexComments(facts, index),
    ];
  const constraint = quoteIdentifier(index.constraint);
  const kind = index.primary ? 'PRIMARY KEY' : 'UNIQUE';
  return [
    `ALTER TABLE ${table} DROP CONSTRAINT ${constraint};`,
    `ALTER TABLE ${table} ADD CONSTRAINT ${constraint} ${kind} USING INDEX ${made} ${index.deferral}`.trimEnd() + ';',
    ...indexComments(facts, index),
  ];
}

/** Drops what stands in the place of an index, and makes that again as it was. */
export function restoreIndex(facts: TableFacts, index: Index): readonly string[] {
  const table = qualified(facts);
  const name = `${quoteIdentifier(facts.schema)}.${quoteIdentifier(index.name)}`;
  const constraint = facts.constraints.find((each) => each.name === index.constraint);
  return [
    ...(constraint === undefined
      ? [`DROP INDEX IF EXISTS ${name};`, `${index.definition};`]
      : [
          `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${quoteIdentifier(constraint.name)};`,
          `ALTER TABLE ${table} ADD CONSTRAINT ${quoteIdentifier(constraint.name)} ${constraint.definition};`,
        ]),
    ...indexComments(facts, index),
    ...(index.clustered ? [`ALTER TABLE ${table} CLUSTER ON ${quoteIdentifier(index.name)};`] : []),
  ];
}

function indexComments(facts: TableFacts, index: Index): readonly string[] {
  const constraint = facts.constraints.find((each) => each.name === index.constraint);
  const name = `${quoteIdentifier(facts.schema)}.${quoteIdentifier(index.name)}`;
  return [
    ...(index.comment === null ? [] : [`COMMENT ON INDEX ${name} IS ${quoteLiteral(index.comment)};`]),
    ...(constraint === undefined || constraint.comment === null
      ? []
      : [
          `COMMENT ON CONSTRAINT ${quoteIdentifier(constraint.name)} ON ${qualified(facts)} IS ${quoteLiteral(constraint.comment)};`,
        ]),
  ];
}

/** In the schema there is one index of a name, and so one of this one. */
function extendedName(name: string): string {
  const mark = 'portcullis_new_';
  const room = 63 - mark.length;
  return mark + (Buffer.byteLength(name) <= room ? name : Buffer.from(name).toString('hex').slice(-room));
}
