import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { list, tool, type Step } from './step.js';
import type { World } from './world.js';

/** What the customers' users do. */
export function customerSteps(world: World, policies: string): readonly Step[] {
  return [
    { caller: 'alice', what: 'tools/list', expected: 'allow', contains: '9 tools: whoami, ', use: list },
    {
      caller: 'alice',
      what: 'document_read doc-1',
      expected: 'allow',
      contains: 'roadmap of acme',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'bob',
      what: 'document_read doc-1',
      expected: 'allow',
      contains: 'roadmap of globex',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'alice',
      what: 'document_list',
      expected: 'allow',
      contains: 'Roadmap',
      lacks: 'Salaries',
      use: tool('document_list'),
    },
    { caller: 'bob', what: 'document_list', expected: 'allow', contains: 'Salaries', use: tool('document_list') },
    { caller: 'alice', what: 'document_read doc-2', expected: 'denied', use: tool('document_read', { id: 'doc-2' }) },
    {
      caller: 'bob',
      what: 'document_share doc-1',
      expected: 'denied',
      use: tool('document_share', { id: 'doc-1', with: 'x@example.com' }),
    },
    {
      caller: 'alice',
      what: 'document_share doc-1',
      expected: 'allow',
      contains: 'shared doc-1',
      use: tool('document_share', { id: 'doc-1', with: 'x@example.com' }),
    },
    {
      caller: 'carol',
      what: 'document_read doc-1',
      expected: 'tenant_required',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'carol',
      what: 'document_read doc-1',
      tenant: 'acme',
      expected: 'allow',
      contains: 'roadmap of acme',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'carol',
      what: 'document_create',
      tenant: 'acme',
      expected: 'denied',
      use: tool('document_create', { title: 'Plan', text: 'x' }),
    },
    {
      caller: 'carol',
      what: 'document_create',
      tenant: 'globex',
      expected: 'allow',
      contains: 'Plan',
      use: tool('document_create', { title: 'Plan', text: 'x' }),
    },
    {
      caller: 'alice',
      what: 'document_read doc-1',
      tenant: 'globex',
      expected: 'tenant_mismatch',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'mallory',
      what: 'document_read doc-1',
      expected: 'token_invalid',
      use: tool('document_read', { id: 'doc-1' }),
    },
    {
      caller: 'bob',
      what: 'invoice_refund inv-2 (says no)',
      approve: false,
      expected: 'approval_required',
      use: tool('invoice_refund', { id: 'inv-2' }),
    },
    {
      caller: 'bob',
      what: 'invoice_refund inv-2 (says yes)',
      approve: true,
      expected: 'allow',
      contains: 'refunded inv-2',
      use: tool('invoice_refund', { id: 'inv-2' }),
    },
    {
      caller: 'bob',
      what: 'invoice_refund inv-2 (again)',
      approve: true,
      expected: 'denied',
      use: tool('invoice_refund', { id: 'inv-2' }),
    },
    { caller: 'alice', what: 'ticket_close t-1', expected: 'denied', use: tool('ticket_close', { id: 't-1' }) },
    {
      caller: 'alice',
      what: 'ticket_close t-1, after an edit',
      expected: 'allow',
      contains: 'closed t-1',
      before: () => editPolicy(world, policies),
      use: tool('ticket_close', { id: 't-1' }),
    },
  ];
}

/** The line of YAML that the story edits: members may close tickets, too. */
export const edit = {
  file: join('resources', 'ticket.yaml'),
  from: 'derivedRoles: [tenant_admin]',
  to: 'derivedRoles: [tenant_editor]',
} as const;

async function editPolicy(world: World, policies: string): Promise<void> {
  const file = join(policies, edit.file);
  const before = world.pdp.revision;
  await writeFile(file, (await readFile(file, 'utf8')).replace(edit.from, edit.to));
  for (const until = Date.now() + 10_000; world.pdp.revision === before;) {
    if (Date.now() > until) throw new Error('the edit did not go live within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
