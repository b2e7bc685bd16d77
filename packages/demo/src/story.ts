import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { call, callTool, type CallResult } from './caller.js';
import type { World } from './world.js';

/** One line of the story. */
export interface StoryRow {
  readonly caller: string;
  readonly provider: string;
  readonly tenant: string;
  readonly what: string;
  readonly decision: string;
  /** The policy that decided, from the audit log; empty where it did not come to that. */
  readonly policy: string;
  readonly result: string;
  /** Whether it is what had to come. */
  readonly right: boolean;
}

interface Step {
  readonly caller: 'alice' | 'bob' | 'carol' | 'mallory';
  readonly what: string;
  readonly tenant?: string;
  readonly approve?: boolean;
  /** `allow`, or the code of the refusal. */
  readonly expected: string;
  /** What the answer has to contain. */
  readonly contains?: string;
  /** What it must not contain. */
  readonly lacks?: string;
  readonly before?: () => Promise<void>;
  readonly use: (client: Client) => Promise<string>;
}

const tool =
  (name: string, args: Readonly<Record<string, unknown>> = {}) =>
  (client: Client): Promise<string> =>
    callTool(client, name, args);

const list = async (client: Client): Promise<string> => {
  const { tools } = await client.listTools();
  return `${String(tools.length)} tools: ${tools.map(({ name }) => name).join(', ')}`;
};

/** Who logs in where. */
const providers = { alice: 'Auth0', bob: 'Entra ID', carol: 'Cognito', mallory: '(none)' } as const;

/**
 * Plays the story against a running world, and tells each line as it happens.
 *
 * @param policies - the folder that the world reads its policies from; the story edits a line in it
 */
export async function playStory(
  world: World,
  policies: string,
  tell: (row: StoryRow) => void,
): Promise<readonly StoryRow[]> {
  const rows: StoryRow[] = [];
  for (const step of steps(world, policies)) {
    await step.before?.();
    const seen = world.audited.length;
    const result = await call(
      { url: world.url, token: await tokenOf(world, step.caller), tenant: step.tenant, approve: step.approve },
      step.use,
    );
    const row = toRow(step, result, world, seen);
    rows.push(row);
    tell(row);
  }
  return rows;
}

function steps(world: World, policies: string): readonly Step[] {
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

async function tokenOf({ issuers }: World, caller: Step['caller']): Promise<string> {
  switch (caller) {
    case 'alice':
      return issuers.auth0.token();
    case 'bob':
      return issuers.entra.token();
    case 'carol':
      return issuers.cognito.token({ 'custom:tenant_id': undefined });
    case 'mallory': {
      // Alice's claims under a signature that is not the issuer's.
      const [header = '', payload = '', signature = ''] = (await issuers.auth0.token()).split('.');
      return `${header}.${payload}.${signature.split('').reverse().join('').slice(0, -1)}A`;
    }
  }
}

function toRow(step: Step, result: CallResult, world: World, seen: number): StoryRow {
  const decision = result.outcome === 'allowed' ? 'allow' : result.code;
  const entries = world.audited.slice(seen);
  const policies = entries.flatMap((entry) =>
    entry.type === 'decision' && (entry.method === 'tools/call' || step.what === entry.method)
      ? entry.decisions.map(({ policy }) => policy)
      : [],
  );
  const resolved = entries.map(({ tenant }) => tenant).find((tenant) => tenant !== undefined);
  return {
    caller: step.caller,
    provider: providers[step.caller],
    tenant: resolved ?? (step.tenant === undefined ? '–' : `(${step.tenant})`),
    what: step.what,
    decision,
    // A plan is the whole policy set's, and names none.
    policy: policies.filter((policy) => policy !== '').at(-1) ?? '',
    result: result.text,
    right:
      decision === step.expected &&
      (step.contains === undefined || result.text.includes(step.contains)) &&
      (step.lacks === undefined || !result.text.includes(step.lacks)),
  };
}
