import type { z } from 'zod';
import type { TenantContext } from '@portcullis/core';
import type { TenantKeyValue } from '@portcullis/storage';
import type { KeyvStorage } from '@portcullis/storage/keyv';
import { documentSchema, invoiceSchema, ticketSchema, type Document, type Invoice, type Ticket } from './records.js';

/** The records of one kind in one tenant. */
interface Records<T extends { readonly id: string }> {
  get(id: string): Promise<T | undefined>;
  put(record: T): Promise<void>;
  all(): Promise<readonly T[]>;
}

/** What the tools work with: one tenant's documents, tickets and invoices. */
export interface Workspace {
  readonly documents: Records<Document>;
  readonly tickets: Records<Ticket>;
  readonly invoices: Records<Invoice>;
}

/** Opens the workspace of the context's tenant. */
export function openWorkspace(storage: KeyvStorage, context: TenantContext): Workspace {
  const keyValue = storage.forTenant(context);
  return {
    documents: records(keyValue, 'document', documentSchema),
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
