import { rows, type Inspection } from './catalog.js';
import type { ReachedTable } from './inspect-tables.js';

interface Index {
  readonly name: string;
  readonly definition: string;
  /** Nobody can guess a value, or choose one. */
  readonly unguessable: boolean;
}

interface ForeignKey {
  readonly name: string;
  readonly definition: string;
}

/** Unique and foreign keys that reach over tenants: they know no policies, and tell what other tenants have. */
export async function inspectKeys(inspection: Inspection, table: ReachedTable): Promise<void> {
  const { found, tenantColumn } = inspection;
  const indexes = await rows<Index>(
    inspection,
    `SELECT x.relname AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       coalesce((SELECT bool_and(a.atttypid = 'uuid'::regtype OR a.attidentity = 'a') FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])), false) AS unguessable
     FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = $1::oid AND i.indisunique AND NOT ($2::int2 = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))`,
    [table.oid, table.tenantAttribute],
  );
  for (const { name, definition, unguessable } of indexes)
    found({
      level: unguessable ? 'warning' : 'error',
      code: 'unique_without_tenant',
      subject: table.name,
      message: `\`${name}\` is unique over all tenants, so that an insert tells what others have: ${definition.replace(/^.* USING /, '')} has to contain \`${tenantColumn}\``,
    });
  const keys = await rows<ForeignKey>(
    inspection,
    `SELECT k.conname AS name, pg_catalog.pg_get_constraintdef(k.oid) AS definition
     FROM pg_catalog.pg_constraint k
     JOIN pg_catalog.pg_attribute ta ON ta.attrelid = k.confrelid AND ta.attname = $3 AND NOT ta.attisdropped
     WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.conparentid = 0
       AND NOT EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair(own, other)
                       WHERE pair.own = $2::int2 AND pair.other = ta.attnum)`,
    [table.oid, table.tenantAttribute, tenantColumn],
  );
  for (const { name, definition } of keys)
    found({
      level: 'error',
      code: 'foreign_key_without_tenant',
      subject: table.name,
      message: `\`${name}\` lets a row refer to another tenant’s row: ${definition} has to pair the tenant columns`,
    });
}
