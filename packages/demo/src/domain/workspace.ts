import type { z } from 'zod';
import type { TenantContext } from '@portcullis/core';
import type { TenantKeyValue } from '@portcullis/storage';
import type { KeyvStorage } from '@portcullis/storage/keyv';
import type { RowLevelSecurity } from '@portcullis/storage/postgres';
import { openDocuments, type Documents } from './documents.js';
import { invoiceSchema, ticketSchema, type Invoice, type Ticket } from './records.js';

/** The records of one kind in one tenant. */
interface Records<T extends { readonly id: string }> {
  get(id: string): Promise<T | undefined>;
  put(record: T): Promise<void>;
  all(): Promise<readonly T[]>;
}

/** What the tools work with: one tenant's documents, tickets and invoices. */
export interface Workspace {
  readonly documents: Documents;
  readonly tickets: Records<Ticket>;
  readonly invoices: Records<Invoice>;
}

/** Where the workspaces of all tenants are kept: documents in PostgreSQL, the rest under keys. */
export interface Stores {
  readonly rls: RowLevelSecurity;
  readonly keys: KeyvStorage;
}

/** Opens the workspace of the context's tenant. */
export function openWorkspace({ rls, keys }: Stores, context: TenantContext): Workspace {
  const keyValue = keys.forTenant(context);
  return {
    documents: openDocuments(rls, context),
    tickets: records(keyValue, 'ticket', ticketSchema),
    invoices: records(keyValue, 'invoice', invoiceSchema),
  };
}

function records<T extends { readonly id: string }>(
  keyValue: TenantKeyValue,
  kind: string,
  schema: z.ZodType<T>,
): Records<T> {
  return {
    async get(id) {
      const value = await keyValue.get(`${kind}/${id}`);
      return value === undefined ? undefined : schema.parse(value);
    },
    put: (record) => keyValue.set(`${kind}/${record.id}`, record),
    async all() {
      const { keys } = await keyValue.list({ prefix: `${kind}/`, limit: 1000 });
      return (await keyValue.getMany(keys)).map((value) => schema.parse(value));
    },
  };
}
