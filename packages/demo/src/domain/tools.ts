import { randomUUID } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';
import type { AuthorizeContext, Gate, ResourceRef } from '@portcullis/mcp';
import { documentResource } from './documents.js';
import type { Document } from './records.js';
import type { Workspace } from './workspace.js';

type About = AuthorizeContext<Workspace>;
const id = z.string().min(1).max(64);

/** The demo's server: fourteen tools over documents, tickets and invoices, each with what it needs to be allowed to do. */
export function workspaceServer(gate: Gate<Workspace>): McpServer {
  const server = new McpServer({ name: 'workspace', version: '1.0.0' }, { capabilities: { tools: {} } });

  gate.tool(
    server,
    'whoami',
    { description: 'Who the server takes you for', authorize: 'default' },
    (_args, { principal, tenant }) => ({
      user: principal.id,
      tenant: tenant.id,
      roles: principal.roles,
    }),
  );
  gate.tool(
    server,
    'usage_report',
    { description: 'How much of everything there is', authorize: 'default' },
    async (_args, { storage }) => ({
      documents: await storage.documents.count(),
      tickets: (await storage.tickets.all()).length,
      invoices: (await storage.invoices.all()).length,
    }),
  );

  documentTools(gate, server);
  ticketTools(gate, server);
  invoiceTools(gate, server);
  return server;
}

function documentTools(gate: Gate<Workspace>, server: McpServer): void {
  const ofDocument = async ({ id: wanted }: { id: string }, { storage }: About): Promise<ResourceRef | undefined> =>
    documentRef(await storage.documents.get(wanted));

  gate.tool(
    server,
    'document_list',
    { description: 'The documents that you may read', authorize: { kind: 'document', action: 'list' } },
    // The policy becomes a WHERE clause: what may not be read is never fetched.
    async (_args, { storage, plan }) => storage.documents.matching(await plan('read', 'document')),
  );
  gate.tool(
    server,
    'document_read',
    {
      description: 'Read a document',
      inputSchema: z.object({ id }),
      authorize: { kind: 'document', action: 'read', resource: ofDocument },
    },
    async ({ id: wanted }, { storage }) => existing(await storage.documents.get(wanted)),
  );
  gate.tool(
    server,
    'document_create',
    {
      description: 'Write a new document',
      inputSchema: z.object({ title: z.string().min(1).max(200), text: z.string().max(10_000) }),
      authorize: { kind: 'document', action: 'create' },
    },
    async ({ title, text }, { storage, principal }) => {
      const document: Document = {
        id: `doc-${randomUUID().slice(0, 8)}`,
        title,
        text,
        author: principal.id,
        classification: 'internal',
        sharedWith: [],
      };
      await storage.documents.put(document);
      return document;
    },
  );
  gate.tool(
    server,
    'document_update',
    {
      description: 'Change the text of a document',
      inputSchema: z.object({ id, text: z.string().max(10_000) }),
      authorize: { kind: 'document', action: 'update', resource: ofDocument },
    },
    async ({ id: wanted, text }, { storage }) => {
      const document = { ...existing(await storage.documents.get(wanted)), text };
      await storage.documents.put(document);
      return document;
    },
  );
  gate.tool(
    server,
    'document_share',
    {
      description: 'Share a document with somebody outside',
      inputSchema: z.object({ id, with: z.email() }),
      authorize: { kind: 'document', action: 'share', resource: ofDocument },
    },
    async ({ id: wanted, with: recipient }, { storage }) => {
      const document = existing(await storage.documents.get(wanted));
      await storage.documents.put({ ...document, sharedWith: [...document.sharedWith, recipient] });
      return `shared ${document.id} with ${recipient}`;
    },
  );
}

function ticketTools(gate: Gate<Workspace>, server: McpServer): void {
  const ofTicket = async ({ id: wanted }: { id: string }, { storage }: About): Promise<ResourceRef | undefined> => {
    const ticket = await storage.tickets.get(wanted);
    return ticket === undefined ? undefined : { id: ticket.id, attr: { status: ticket.status } };
  };

  gate.tool(
    server,
    'ticket_list',
    { description: 'All tickets', authorize: { kind: 'ticket', action: 'list' } },
    async (_args, { storage }) => storage.tickets.all(),
  );
  gate.tool(
    server,
    'ticket_create',
    {
      description: 'Open a ticket',
      inputSchema: z.object({ subject: z.string().min(1).max(200) }),
      authorize: { kind: 'ticket', action: 'create' },
    },
    async ({ subject }, { storage }) => {
      const ticket = { id: `t-${randomUUID().slice(0, 8)}`, subject, status: 'open' as const, comments: [] };
      await storage.tickets.put(ticket);
      return ticket;
    },
  );
  gate.tool(
    server,
    'ticket_comment',
    {
      description: 'Comment on an open ticket',
      inputSchema: z.object({ id, text: z.string().min(1).max(2000) }),
      authorize: { kind: 'ticket', action: 'comment', resource: ofTicket },
    },
    async ({ id: wanted, text }, { storage, principal }) => {
      const ticket = existing(await storage.tickets.get(wanted));
      await storage.tickets.put({ ...ticket, comments: [...ticket.comments, { author: principal.id, text }] });
      return `commented on ${ticket.id}`;
    },
  );
  gate.tool(
    server,
    'ticket_close',
    {
      description: 'Close a ticket',
      inputSchema: z.object({ id }),
      authorize: { kind: 'ticket', action: 'close', resource: ofTicket },
    },
    async ({ id: wanted }, { storage }) => {
      const ticket = existing(await storage.tickets.get(wanted));
      await storage.tickets.put({ ...ticket, status: 'closed' });
      return `closed ${ticket.id}`;
    },
  );
}

function invoiceTools(gate: Gate<Workspace>, server: McpServer): void {
  const ofInvoice = async ({ id: wanted }: { id: string }, { storage }: About): Promise<ResourceRef | undefined> => {
    const invoice = await storage.invoices.get(wanted);
    return invoice === undefined
      ? undefined
      : { id: invoice.id, attr: { amount: invoice.amount, status: invoice.status } };
  };

  gate.tool(
    server,
    'invoice_list',
    { description: 'All invoices', authorize: { kind: 'invoice', action: 'list' } },
    async (_args, { storage }) => storage.invoices.all(),
  );
  gate.tool(
    server,
    'invoice_read',
    {
      description: 'Read an invoice',
      inputSchema: z.object({ id }),
      authorize: { kind: 'invoice', action: 'read', resource: ofInvoice },
    },
    async ({ id: wanted }, { storage }) => existing(await storage.invoices.get(wanted)),
  );
  gate.tool(
    server,
    'invoice_refund',
    {
      description: 'Refund an invoice',
      inputSchema: z.object({ id }),
      authorize: { kind: 'invoice', action: 'refund', resource: ofInvoice },
    },
    async ({ id: wanted }, { storage }) => {
      const invoice = existing(await storage.invoices.get(wanted));
      await storage.invoices.put({ ...invoice, status: 'refunded' });
      return `refunded ${invoice.id}: ${String(invoice.amount)}`;
    },
  );
}

function documentRef(document: Document | undefined): ResourceRef | undefined {
  return document === undefined ? undefined : documentResource(document);
}

/** What was there a moment ago may have been deleted since; the caller reads that as a denial, too. */
function existing<T>(record: T | undefined): T {
  if (record === undefined) throw new PortcullisError('denied', undefined, { detail: 'the record is gone' });
  return record;
}
