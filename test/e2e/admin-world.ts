import { join } from 'node:path';
import { admin, type Admin, type AdminOptions } from '@portcullis/admin';
import {
  allOf,
  auditTrail,
  checkpointSigner,
  generateCheckpointKey,
  memoryAudit,
  memoryTrails,
  recordsConfiguration,
  recordsLifecycle,
  recordsOperatorAccess,
  recordsOperators,
  type AuditSink,
} from '@portcullis/audit';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { tenantId, type SessionDirectory, type TenantPlans, type TenantResolver } from '@portcullis/core';
import { limiter, memoryLimits, memoryUsage, usageTracker, type UsageTracker } from '@portcullis/limits';
import { memorySessions } from '@portcullis/mcp';
import { memoryGrants, operatorResolver, operators, type Operators } from '@portcullis/operators';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { keyvStorage } from '@portcullis/storage/keyv';
import {
  keysResource,
  memoryArchive,
  memoryJournal,
  tenantLifecycle,
  type TenantLifecycle,
} from '@portcullis/storage/provisioning';
import {
  domainClaims,
  hintReader,
  invitations,
  members,
  memoryStore,
  registry,
  resolver,
  type Registry,
  type TenantStore,
} from '@portcullis/tenants';
import { Keyv } from 'keyv';
import { tenantRoles } from '@portcullis/tenants/roles';
import { fixtures, startIssuer, type LocalIssuer } from '@portcullis/testing/issuers';

/** Where the administration API is. */
export const adminUrl = 'https://api.example.com/admin';

const plans: TenantPlans = {
  free: { limits: { requestsPerMinute: 60 }, quotas: { maxUsers: 5 } },
  pro: { limits: { requestsPerMinute: 600 }, quotas: { maxUsers: 50 } },
};

/** Who is who: `provider#subject`, the token's roles, and the memberships. */
const people = {
  owner: { subject: 'olivia', tenant: 'acme', roles: ['owner'] },
  admin: { subject: 'adam', tenant: 'acme', roles: ['admin'] },
  member: { subject: 'mia', tenant: 'acme', roles: ['member'] },
  readonly: { subject: 'rita', tenant: 'acme', roles: ['readonly'] },
  otherOwner: { subject: 'gina', tenant: 'globex', roles: ['owner'] },
  suspendedOwner: { subject: 'ivan', tenant: 'initech', roles: ['owner'] },
  support: { subject: 'sam', staff: 'Platform.Support' },
  security: { subject: 'sue', staff: 'Platform.Security' },
  operator: { subject: 'oscar', staff: 'Platform.Admin' },
} as const;

export type Who = keyof typeof people | 'nobody' | 'stranger';

/** A request to the API, in short. */
export interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The administration API with real tokens, the repository's policies and a real PDP. */
export interface AdminWorld {
  readonly api: Admin;
  readonly options: AdminOptions;
  readonly store: TenantStore;
  readonly registry: Registry;
  readonly tenants: TenantResolver;
  readonly pdp: Sidecar;
  readonly issuers: { readonly customers: LocalIssuer; readonly staff: LocalIssuer };
  readonly operators: Operators;
  readonly audit: ReturnType<typeof memoryAudit>;
  readonly sessions: SessionDirectory;
  readonly usage: UsageTracker;
  readonly lifecycle: TenantLifecycle;
  /** TXT records that there are. */
  readonly txt: Map<string, string>;
  readonly errors: Error[];
  /** Another API over the same parts, as another replica. */
  apiWith(options: Partial<AdminOptions>): Admin;
  token(who: Exclude<Who, 'nobody'>, claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Sends `METHOD /path` as somebody. */
  ask(who: Who, line: string, ask?: Ask, api?: Admin): Promise<Response>;
  close(): Promise<void>;
}

/** The headers that a change needs beside its body. */
export const reason = { 'x-operator-reason': 'ticket 4711: asked by the customer' };

export interface AdminWorldOptions {
  readonly store?: TenantStore;
  readonly options?: Partial<AdminOptions>;
}

/** Starts it, with acme, globex and the suspended initech in it. */
export async function startAdminWorld(wanted: AdminWorldOptions = {}): Promise<AdminWorld> {
  const [customers, staff, pdp] = await Promise.all([
    startIssuer('oidc'),
    startIssuer('oidc'),
    cerbosSidecar({ policies: join(import.meta.dirname, '..', '..', 'policies'), pollMs: 0 }),
  ]);
  const tenants = registry({ store: wanted.store ?? memoryStore({ plans }) });
  const memory = memoryAudit();
  const trails = await memoryTrails();
  const signer = await checkpointSigner(await generateCheckpointKey());
  const trail = auditTrail({ store: trails, signer });
  const audit: AuditSink = allOf(memory, trail);
  const errors: Error[] = [];
  const identity = verifier(
    (['customers', 'staff'] as const).map((name) => {
      const issuer = name === 'staff' ? staff : customers;
      const keys = staticKeys({ keys: issuer.keys.map(({ publicJwk }) => publicJwk) });
      return oidc({
        name,
        issuer: issuer.issuer,
        audience: fixtures.audience,
        keys,
        claims: { roles: 'roles', email: 'email' },
      });
    }),
  );
  const service = operators({
    pdp,
    providers: {
      staff: {
        roles: {
          'Platform.Support': 'operator_support',
          'Platform.Security': 'operator_security',
          'Platform.Admin': 'operator_admin',
        },
      },
    },
    store: memoryGrants(),
    record: recordsOperators(audit),
    tenant: (id) => tenants.tenant(id),
  });
  const find = operatorResolver({
    resolver: resolver({ registry: tenants }),
    operators: service,
    hints: hintReader({}),
  });
  const { store } = tenants;
  const record = recordsConfiguration(audit);
  const txt = new Map<string, string>();
  const keys = keyvStorage({ keyv: new Keyv(), operatorAccess: recordsOperatorAccess(audit) });
  const lifecycle = tenantLifecycle({
    resources: [keysResource(keys)],
    registry: store,
    journal: memoryJournal(),
    archive: memoryArchive(),
    record: recordsLifecycle(audit),
    settleMs: 0,
    retentionMs: 3_600_000,
  });
  const counted = memoryUsage();
  const usage = usageTracker({ sink: counted });
  const limits = memoryLimits();
  const sessions = memorySessions();
  const base: AdminOptions = {
    resource: adminUrl,
    authorizationServers: [customers.issuer, staff.issuer],
    identity,
    tenants: find,
    store,
    pdp,
    audit,
    operators: service,
    members: members({ store, record, sharedProviders: 'add' }),
    roles: tenantRoles({ store, record }),
    invitations: invitations({ store, record }),
    domains: domainClaims({
      store,
      record,
      resolver: { resolveTxt: (name) => Promise.resolve([[txt.get(name) ?? 'something else']]) },
    }),
    usage: { source: counted, limits },
    trails,
    sessions,
    limiter: limiter({ store: limits, plans }),
    plans,
    onError: (error) => errors.push(error),
  };
  await seed(store);
  const apiWith = (options: Partial<AdminOptions>): Admin => admin({ ...base, ...wanted.options, ...options });
  const api = apiWith({});
  const tokens = new Map<string, Promise<string>>();
  const token = (who: Exclude<Who, 'nobody'>, claims: Readonly<Record<string, unknown>> = {}): Promise<string> => {
    const key = JSON.stringify([who, claims]);
    const made = tokens.get(key) ?? sign(who, claims);
    tokens.set(key, made);
    return made;
  };
  const sign = (who: Exclude<Who, 'nobody'>, claims: Readonly<Record<string, unknown>>): Promise<string> => {
    const person = who === 'stranger' ? { subject: 'eve' } : people[who];
    return 'staff' in person
      ? staff.token({ sub: person.subject, org: undefined, roles: [person.staff], ...claims })
      : customers.token({ sub: person.subject, org: undefined, roles: [], ...claims });
  };
  return {
    api,
    options: { ...base, ...wanted.options },
    apiWith,
    store,
    registry: tenants,
    tenants: find,
    pdp,
    issuers: { customers, staff },
    operators: service,
    audit: memory,
    sessions,
    usage,
    lifecycle,
    txt,
    errors,
    token,
    async ask(who, line, { body, headers = {} } = {}, at = api) {
      const [method = 'GET', path = ''] = line.split(' ');
      const sent = new Headers(headers);
      if (who !== 'nobody') sent.set('authorization', `Bearer ${await token(who)}`);
      if (body !== undefined && !sent.has('content-type')) sent.set('content-type', 'application/json');
      return at.fetch(
        new Request(`${adminUrl}${path}`, {
          method,
          headers: sent,
          ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        }),
      );
    },
    async close() {
      await api.close();
      await usage.close();
      await trail.close();
      await pdp.close();
      await Promise.all([customers.close(), staff.close()]);
    },
  };
}

async function seed(store: TenantStore): Promise<void> {
  for (const id of ['acme', 'globex', 'initech']) {
    await store.createTenant({
      id: tenantId(id),
      name: `The ${id} company`,
      plan: 'pro',
      settings: { identityProviders: [{ provider: 'customers' }], features: { canary: id === 'globex' } },
    });
  }
  for (const person of Object.values(people)) {
    if ('tenant' in person) await store.addMember(tenantId(person.tenant), `customers#${person.subject}`, person.roles);
  }
  await store.updateTenant(tenantId('initech'), { status: { state: 'suspended', reason: 'unpaid' } });
}
