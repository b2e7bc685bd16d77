import { adminCall } from './admin-call.js';
import { call, type CallResult } from './caller.js';
import { customerSteps } from './customer-steps.js';
import { adminAudience } from './identity.js';
import { newCustomer, operatorSteps } from './operator-steps.js';
import { providers, type Step } from './step.js';
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
  const notes: Notes = { grant: undefined };
  for (const step of [...customerSteps(world, policies), ...operatorSteps()]) {
    await step.before?.();
    const seen = world.audited.length;
    const result = await perform(world, step, notes);
    const row = toRow(step, result, world, seen);
    rows.push(row);
    tell(row);
  }
  return rows;
}

/** What later steps need of earlier ones. */
interface Notes {
  grant: string | undefined;
}

async function perform(world: World, step: Step, notes: Notes): Promise<CallResult> {
  if ('admin' in step) {
    const reason = step.caller === 'olga' ? 'ticket 4711: a new customer' : undefined;
    const token = await tokenOf(world, step.caller, adminAudience);
    const result = await adminCall({ url: world.adminUrl, token, reason }, step.admin);
    if (step.admin.path === '/operators/grants' && typeof result.body['id'] === 'string')
      notes.grant = result.body['id'];
    return result;
  }
  const { tenant, approve, withGrant } = step;
  return call(
    {
      url: world.url,
      token: await tokenOf(world, step.caller),
      tenant,
      approve,
      grant: withGrant === true ? notes.grant : undefined,
    },
    step.use,
  );
}

async function tokenOf({ issuers }: World, caller: Step['caller'], audience?: string): Promise<string> {
  const aud = audience === undefined ? {} : { aud: audience };
  switch (caller) {
    case 'alice':
      return issuers.auth0.token(aud);
    case 'bob':
      return issuers.entra.token();
    case 'carol':
      return issuers.cognito.token({ 'custom:tenant_id': undefined });
    case 'dana':
      return issuers.auth0.token({ ...aud, sub: 'auth0|dana', org_id: newCustomer.organization });
    case 'olga':
      return issuers.okta.token({
        ...aud,
        sub: 'olga@portcullis.example',
        uid: '00uOlga',
        groups: ['platform-admins'],
      });
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
    entry.type === 'decision' && ('admin' in step || entry.method === 'tools/call' || step.what === entry.method)
      ? entry.decisions.map(({ policy }) => policy)
      : [],
  );
  const resolved = entries.map(({ tenant }) => tenant).find((tenant) => tenant !== undefined);
  return {
    caller: step.caller,
    provider: providers[step.caller],
    tenant: resolved ?? ('admin' in step || step.tenant === undefined ? '–' : `(${step.tenant})`),
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
