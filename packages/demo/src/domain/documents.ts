import type { Plan, TenantContext } from '@portcullis/core';
import { planToSql, resourceOfRow, type ColumnMap } from '@portcullis/storage/plan';
import type { RowLevelSecurity } from '@portcullis/storage/postgres';
import { documentSchema, type Document } from './records.js';

/** The documents of one tenant. */
export interface Documents {
  get(id: string): Promise<Document | undefined>;
  put(document: Document): Promise<void>;
  /** Those that a query plan lets through: the policy, as a WHERE clause. */
  matching(plan: Plan): Promise<readonly Pick<Document, 'id' | 'title'>[]>;
  count(): Promise<number>;
}

/** The attributes that policies compare, and the columns that hold them: one declaration for `check` and for `plan`. */
export const documentAttributes: ColumnMap = { id: 'text', columns: { author: 'text', classification: 'text' } };

/** The attributes of a document, as they are put before the PDP. */
export const documentResource = ({ id, author, classification }: Document): ReturnType<typeof resourceOfRow> =>
  resourceOfRow({ id, author, classification }, documentAttributes);

const columns = 'id, title, text, author, classification, shared_with AS "sharedWith"';

/**
 * Opens the documents of the context's tenant, in PostgreSQL. No statement names the tenant: the rows are the
 * tenant's own, and there are no others.
 */
export function openDocuments(rls: RowLevelSecurity, context: TenantContext): Documents {
  return {
    get: (id) =>
      rls.withTenant(context, async (sql) => {
        const { rows } = await sql.query(`SELECT ${columns} FROM documents WHERE id = $1`, [id]);
        return rows[0] === undefined ? undefined : documentSchema.parse(rows[0]);
      }),
    put: ({ id, title, text, author, classification, sharedWith }) =>
      rls.withTenant(context, async (sql) => {
        await sql.query(
          `INSERT INTO documents (id, title, text, author, classification, shared_with) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (tenant_id, id) DO UPDATE SET (title, text, author, classification, shared_with) =
             (excluded.title, excluded.text, excluded.author, excluded.classification, excluded.shared_with)`,
          [id, title, text, author, classification, sharedWith],
        );
      }),
    matching: (plan) =>
      rls.withTenant(context, async (sql) => {
        const { text, values } = planToSql(plan, documentAttributes);
        const { rows } = await sql.query(`SELECT ${columns} FROM documents WHERE ${text} ORDER BY id`, values);
        return rows.map((row) => documentSchema.pick({ id: true, title: true }).parse(row));
      }),
    count: () =>
      rls.withTenant(context, async (sql) => {
        const { rows } = await sql.query<{ count: number }>('SELECT count(*)::int AS count FROM documents');
        return rows[0]?.count ?? 0;
      }),
  };
}
