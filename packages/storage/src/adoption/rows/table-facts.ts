import { z } from 'zod';
import { refused, unavailable } from '../../access.js';
import type { TenantSql } from '../../postgres/tenant-sql.js';

const text = z.string();
const comment = text.nullable();
const grant = z.strictObject({ grantor: text, grantee: text, privilege: text, grantable: z.boolean() });

const facts = z.strictObject({
  schema: text,
  table: text,
  kind: text,
  owner: text,
  partition: z.boolean(),
  inherits: z.boolean(),
  secured: z.boolean(),
  forced: z.boolean(),
  replicaIdentity: text,
  comment,
  columns: z.array(
    z.strictObject({
      name: text,
      type: text,
      collation: text.nullable(),
      notNull: z.boolean(),
      default: text.nullable(),
      identity: text,
      generated: text,
      comment,
      grants: z.array(grant),
    }),
  ),
  constraints: z.array(
    z.strictObject({
      name: text,
      type: text,
      definition: text,
      validated: z.boolean(),
      comment,
      /** Of a foreign key: what it pairs, and with which table. */
      foreign: z
        .strictObject({
          schema: text,
          table: text,
          columns: z.array(text),
          otherColumns: z.array(text),
          match: text,
          onUpdate: text,
          onDelete: text,
          setColumns: z.array(text),
          deferrable: z.boolean(),
          deferred: z.boolean(),
        })
        .nullable(),
    }),
  ),
  indexes: z.array(
    z.strictObject({
      name: text,
      method: text,
      definition: text,
      unique: z.boolean(),
      primary: z.boolean(),
      valid: z.boolean(),
      partial: z.boolean(),
      clustered: z.boolean(),
      tablespace: z.boolean(),
      /** The constraint that it serves, its type, and how it is deferred. */
      constraint: text.nullable(),
      deferral: text,
      comment,
    }),
  ),
  policies: z.array(
    z.strictObject({
      name: text,
      permissive: text,
      roles: z.array(text),
      command: text,
      using: text.nullable(),
      check: text.nullable(),
    }),
  ),
  grants: z.array(grant),
  /** Sequences that belong to columns, but for identity columns, which need no privilege. */
  sequences: z.array(z.strictObject({ schema: text, name: text, grants: z.array(grant) })),
  /** Foreign keys of other tables that lead here, as `schema.table`. */
  referredBy: z.array(text),
});

/** All of a table that an adoption touches or has to look at, in SQL's own words. */
export type TableFacts = Readonly<z.infer<typeof facts>>;

/** A table, by its name. */
export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** As grants name whoever connects. */
export const everybody = 'PUBLIC';

const grants = (acl: string, kind: string, owner: string): string => `
  coalesce((SELECT json_agg(json_build_object('grantor', pg_get_userbyid(g.grantor)::text,
      'grantee', CASE WHEN g.grantee = 0 THEN '${everybody}' ELSE pg_get_userbyid(g.grantee)::text END,
      'privilege', g.privilege_type, 'grantable', g.is_grantable) ORDER BY g.grantor, g.grantee, g.privilege_type)
    FROM aclexplode(${kind === '' ? acl : `coalesce(${acl}, acldefault('${kind}', ${owner}))`}) g), '[]'::json)`;

const names = (numbers: string, table: string): string => `
  coalesce((SELECT json_agg(a.attname ORDER BY n.at) FROM unnest(${numbers}) WITH ORDINALITY AS n(num, at)
    JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = n.num), '[]'::json)`;

const columns = `
  SELECT coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'collation', CASE WHEN a.attcollation = 0 THEN NULL ELSE a.attcollation::regcollation::text END,
      'notNull', a.attnotnull, 'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity,
      'generated', a.attgenerated, 'comment', col_description(a.attrelid, a.attnum),
      'grants', ${grants('a.attacl', '', '')}) ORDER BY a.attnum), '[]'::json)
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

const constraints = `
  SELECT coalesce(json_agg(json_build_object('name', k.conname, 'type', k.contype, 'definition', pg_get_constraintdef(k.oid),
      'validated', k.convalidated, 'comment', obj_description(k.oid, 'pg_constraint'),
      'foreign', CASE WHEN k.contype = 'f' THEN json_build_object('schema', fn.nspname, 'table', f.relname,
        'columns', ${names('k.conkey', 'k.conrelid')}, 'otherColumns', ${names('k.confkey', 'k.confrelid')},
        'match', k.confmatchtype, 'onUpdate', k.confupdtype, 'onDelete', k.confdeltype,
        'setColumns', $SETCOLUMNS$, 'deferrable', k.condeferrable, 'deferred', k.condeferred) END)
    ORDER BY k.conname), '[]'::json)
  FROM pg_constraint k LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
  WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'n', 'p', 'u', 'x')`;

const indexes = `
  SELECT coalesce(json_agg(json_build_object('name', x.relname, 'method', m.amname, 'definition', pg_get_indexdef(i.indexrelid),
      'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid, 'partial', i.indpred IS NOT NULL,
      'clustered', i.indisclustered, 'tablespace', x.reltablespace <> 0, 'constraint', k.conname,
      'deferral', CASE WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE' ELSE '' END,
      'comment', obj_description(x.oid, 'pg_class')) ORDER BY x.relname), '[]'::json)
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
  LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
  WHERE i.indrelid = c.oid`;

const policies = `
  SELECT coalesce(json_agg(json_build_object('name', p.polname, 'permissive', p.polpermissive::text,
      'roles', ARRAY(SELECT CASE WHEN r = 0 THEN 'PUBLIC' ELSE r::regrole::text END FROM unnest(p.polroles) r),
      'command', p.polcmd, 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))
    ORDER BY p.polname), '[]'::json)
  FROM pg_policy p WHERE p.polrelid = c.oid`;

const sequences = `
  SELECT coalesce(json_agg(json_build_object('schema', sn.nspname, 'name', s.relname,
      'grants', ${grants('s.relacl', 's', 's.relowner')}) ORDER BY s.relname), '[]'::json)
  FROM pg_depend o JOIN pg_class s ON s.oid = o.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
  WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = c.oid AND o.deptype = 'a'`;

const referredBy = `
  SELECT coalesce(json_agg(DISTINCT rn.nspname || '.' || r.relname), '[]'::json)
  FROM pg_constraint k JOIN pg_class r ON r.oid = k.conrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conrelid <> c.oid`;

const factsText = `
  SELECT json_build_object('schema', n.nspname, 'table', c.relname, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner)::text,
    'partition', c.relispartition, 'inherits', EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),
    'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity, 'replicaIdentity', c.relreplident,
    'comment', obj_description(c.oid, 'pg_class'), 'columns', (${columns}), 'constraints', (${constraints}),
    'indexes', (${indexes}), 'policies', (${policies}), 'grants', ${grants('c.relacl', 'r', 'c.relowner')},
    'sequences', (${sequences}), 'referredBy', (${referredBy}))::text AS facts
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')`;

/**
 * Reads a table's facts. To be run with a search path of `pg_catalog` alone, so that definitions name schemas.
 *
 * @throws PortcullisError `storage_refused` when there is no such table
 */
export async function tableFacts(sql: TenantSql, { schema, table }: TableName): Promise<TableFacts> {
  const { rows: server } = await sql.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int4 AS version",
  );
  // `ON DELETE SET NULL (column)` is there from 15 on.
  const setColumns = (server[0]?.version ?? 0) >= 150_000 ? names('k.confdelsetcols', 'k.conrelid') : "'[]'::json";
  const { rows } = await sql.query<{ facts: string }>(
    factsText.replace('$SETCOLUMNS$', () => setColumns),
    [schema, table],
  );
  if (rows[0] === undefined) throw refused(`there is no table \`${schema}.${table}\``);
  return parsedFacts(rows[0].facts);
}

/** Reads facts that were written down. @throws PortcullisError `storage_unavailable` for what are none */
export function parsedFacts(json: string): TableFacts {
  const found = facts.safeParse(JSON.parse(json));
  if (!found.success) throw unavailable(found.error, 'the facts of a table are malformed');
  return found.data;
}
