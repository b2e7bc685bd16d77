import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryIdempotency, type Admin } from '@portcullis/admin';
import { tenantId } from '@portcullis/core';
import { resolver } from '@portcullis/tenants';
import { postgresStore } from '@portcullis/tenants/postgres';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { Pool } from 'pg';
import { adminUrl, reason, startAdminWorld, type AdminWorld, type Ask, type Who } from './admin-world.js';

let world: AdminWorld;
/** The same API, with a lifecycle behind it. */
let withJobs: Admin;
beforeAll(async () => {
  world = await startAdminWorld();
  withJobs = world.apiWith({ lifecycle: world.lifecycle });
});
afterAll(async () => {
  await withJobs.close();
  await world.close();
});

interface Problem {
  readonly code: string;
  readonly status: number;
  readonly requestId: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const problemOf = async (response: Response): Promise<Problem> => (await response.json()) as Problem;
/** The members that the tests look at, of all answers. */
interface Json {
  readonly id: string;
  readonly state: string;
  readonly token: string;
  readonly version: number;
  readonly nextCursor?: string;
  readonly tenants: unknown;
  readonly sessions: unknown;
  readonly status: { readonly state: string };
  readonly record: { readonly name: string; readonly value: string };
  readonly records: readonly { readonly trail: string }[];
  readonly grants: readonly unknown[];
  readonly job: { readonly id: string };
  readonly archives: readonly unknown[];
}

const jsonOf = async (response: Response): Promise<Json> => (await response.json()) as Json;

/** Reads a record, and sends a change of it with its entity tag. */
async function change(
  who: Who,
  line: string,
  body: unknown,
  from?: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const [, path = ''] = line.split(' ');
  const read = await world.ask(who, `GET ${from ?? path}`, { headers });
  return world.ask(who, line, { body, headers: { ...headers, 'if-match': read.headers.get('etag') ?? '' } });
}

describe('every route', () => {
  it('says what it needs to be allowed to do', () => {
    const table = withJobs.routes
      .map(({ method, path, authorize }) => {
        const needs = 'action' in authorize ? `${authorize.on} ${authorize.action}` : authorize.on;
        const guard = authorize.on === 'tenant' && authorize.neverActing === true ? ', never by a grant' : '';
        return `${method.toUpperCase()} ${path}: ${needs}${guard}`;
      })
      .sort();
    expect(table).toMatchSnapshot();
    const open = world.api.routes.filter(({ authorize }) => authorize.on === 'nobody').map(({ path }) => path);
    expect(open).toEqual(['/openapi.json']);
  });

  it('that changes a tenant is closed to operators who act in it by a grant', () => {
    const changing = withJobs.routes.filter(({ method, authorize }) => method !== 'get' && authorize.on === 'tenant');
    expect(changing.length).toBeGreaterThan(10);
    expect(changing.filter(({ authorize }) => authorize.on === 'tenant' && authorize.neverActing !== true)).toEqual([]);
  });
});

/** Everybody who asks, and of whom the answers to all routes are known. */
const callers = [
  'nobody',
  'stranger',
  'member',
  'readonly',
  'admin',
  'owner',
  'otherOwner',
  'suspendedOwner',
  'support',
  'security',
  'operator',
] as const;
type Caller = (typeof callers)[number];
const operatorsOnly: readonly Caller[] = ['support', 'security', 'operator'];
const tenantsOwn: readonly Caller[] = ['admin', 'owner'];
const everybody = callers.filter((who) => who !== 'nobody');

interface Row {
  /** A request that shows who is let in and changes nothing. */
  readonly line: string;
  readonly body?: unknown;
  /** What those get who are let in: a status, or the code of a problem that only they get to. */
  readonly reached: number | string;
  readonly by: readonly Caller[];
}

const look = [...tenantsOwn, ...operatorsOnly];
const ghost = { userId: 'customers#ghost', roles: ['ghost'] };
/** Who gets to each route: for the tenant acme, whose people are the first four. */
const matrix: readonly Row[] = [
  { line: 'GET /openapi.json', reached: 200, by: callers },
  { line: 'GET /me', reached: 200, by: everybody },
  { line: 'GET /tenants', reached: 200, by: operatorsOnly },
  { line: 'POST /tenants', body: {}, reached: 'request_invalid', by: ['operator'] },
  { line: 'GET /tenants/acme', reached: 200, by: look },
  { line: 'PATCH /tenants/acme', body: {}, reached: 'precondition_required', by: ['operator'] },
  { line: 'DELETE /tenants/acme', reached: 'precondition_required', by: ['operator'] },
  { line: 'GET /tenants/acme/status', reached: 200, by: look },
  {
    line: 'PUT /tenants/acme/status',
    body: { state: 'active' },
    reached: 'precondition_required',
    by: ['security', 'operator'],
  },
  { line: 'GET /tenants/acme/users', reached: 200, by: look },
  { line: 'POST /tenants/acme/users', body: ghost, reached: 'request_invalid', by: [...tenantsOwn, 'operator'] },
  { line: 'GET /tenants/acme/users/customers%23mia', reached: 200, by: look },
  {
    line: 'PATCH /tenants/acme/users/customers%23mia',
    body: { roles: ['member'] },
    reached: 'precondition_required',
    by: [...tenantsOwn, 'operator'],
  },
  {
    line: 'DELETE /tenants/acme/users/customers%23mia',
    reached: 'precondition_required',
    by: [...tenantsOwn, 'operator'],
  },
  { line: 'GET /tenants/acme/invitations', reached: 200, by: look },
  // An invitation names no user yet: policy cannot tell that it is not for the operator itself.
  { line: 'POST /tenants/acme/invitations', body: {}, reached: 'request_invalid', by: tenantsOwn },
  { line: 'DELETE /tenants/acme/invitations/none', reached: 'not_found', by: tenantsOwn },
  { line: 'POST /invitations/accept', body: {}, reached: 'request_invalid', by: everybody },
  { line: 'GET /tenants/acme/domains', reached: 200, by: look },
  { line: 'POST /tenants/acme/domains', body: {}, reached: 'request_invalid', by: [...tenantsOwn, 'operator'] },
  { line: 'POST /tenants/acme/domains/none.example/verify', reached: 'not_found', by: [...tenantsOwn, 'operator'] },
  { line: 'DELETE /tenants/acme/domains/none.example', reached: 204, by: [...tenantsOwn, 'operator'] },
  { line: 'GET /tenants/acme/roles', reached: 200, by: look },
  { line: 'GET /tenants/acme/roles/none', reached: 'not_found', by: look },
  { line: 'PUT /tenants/acme/roles/none', body: {}, reached: 'precondition_required', by: tenantsOwn },
  { line: 'DELETE /tenants/acme/roles/none', reached: 'precondition_required', by: tenantsOwn },
  { line: 'GET /tenants/acme/oauth', reached: 200, by: look },
  { line: 'PATCH /tenants/acme/oauth', body: {}, reached: 'precondition_required', by: [...tenantsOwn, 'operator'] },
  { line: 'GET /tenants/acme/features', reached: 200, by: look },
  { line: 'PATCH /tenants/acme/features', body: {}, reached: 'precondition_required', by: [...tenantsOwn, 'operator'] },
  { line: 'GET /tenants/acme/quotas', reached: 200, by: look },
  { line: 'PATCH /tenants/acme/quotas', body: {}, reached: 'precondition_required', by: ['operator'] },
  { line: 'GET /tenants/acme/usage', reached: 200, by: look },
  { line: 'GET /tenants/acme/audit-log', reached: 200, by: [...tenantsOwn, 'security', 'operator'] },
  { line: 'GET /audit-log', reached: 200, by: ['security', 'operator'] },
  { line: 'GET /tenants/acme/sessions', reached: 200, by: look },
  { line: 'DELETE /tenants/acme/sessions/none', reached: 'not_found', by: [...tenantsOwn, 'security', 'operator'] },
  { line: 'GET /operators/grants', reached: 200, by: operatorsOnly },
  { line: 'POST /operators/grants', body: {}, reached: 'request_invalid', by: operatorsOnly },
  { line: 'POST /operators/grants/none/approve', reached: 'grant_invalid', by: operatorsOnly },
  { line: 'DELETE /operators/grants/none', reached: 'grant_invalid', by: operatorsOnly },
  { line: 'GET /tenants/acme/grants', reached: 200, by: [...tenantsOwn, 'security', 'operator'] },
  { line: 'GET /tenants/acme/jobs', reached: 'not_found', by: ['operator'] },
  { line: 'GET /tenants/acme/jobs/none', reached: 'not_found', by: ['operator'] },
  { line: 'POST /tenants/acme/restore', body: {}, reached: 'request_invalid', by: ['operator'] },
  { line: 'POST /tenants/acme/cancel', reached: 'storage_refused', by: ['operator'] },
  { line: 'POST /tenants/acme/rollback', reached: 'storage_refused', by: ['operator'] },
];

/** What those read who are not let in: to whom acme is another's, it is not there. */
function refusedWith(who: Caller, line: string): string {
  if (who === 'nobody') return 'token_missing';
  const isOutside = who === 'stranger' || who === 'otherOwner' || who === 'suspendedOwner';
  return isOutside && line.includes('/tenants/acme') ? 'not_found' : 'denied';
}

describe('the matrix of routes and callers', () => {
  it('has every route', () => {
    const shape = (line: string): string =>
      line
        .replace('/tenants/acme', '/tenants/{}')
        .replace(/(users|invitations|domains|roles|sessions|grants|jobs)\/(?!accept)[^/]+/, '$1/{}');
    const routes = withJobs.routes.map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`,
    );
    expect(matrix.map(({ line }) => shape(line)).sort()).toEqual([...routes].sort());
  });

  it.each(matrix)('$line', async ({ line, body, reached, by }) => {
    for (const who of callers) {
      const isOperator = operatorsOnly.includes(who);
      const response = await world.ask(who, line, { body, headers: isOperator ? reason : {} }, withJobs);
      const isLetIn = by.includes(who);
      const answer = response.status < 400 ? response.status : (await problemOf(response)).code;
      expect({ who, answer }).toEqual({ who, answer: isLetIn ? reached : refusedWith(who, line) });
    }
  });

  it('lets nobody of a suspended tenant in, and tells them why', async () => {
    const lines = matrix.filter(({ line }) => line.includes('/tenants/acme'));
    for (const { line, body } of lines) {
      const response = await world.ask('suspendedOwner', line.replace('/tenants/acme', '/tenants/initech'), { body });
      const known = response.status === 404 ? 'not there' : (await problemOf(response)).code;
      // The routes of jobs are not served without a lifecycle.
      expect(known).toBe(/jobs|restore|cancel|rollback/.test(line) ? 'not there' : 'tenant_suspended');
    }
  });

  it('lets no operator do anything without a reason', async () => {
    const lines = matrix.filter(({ line }) => line.includes('/tenants') && !/jobs|restore|cancel|rollback/.test(line));
    for (const { line, body } of lines) {
      const problem = await problemOf(await world.ask('operator', line, { body }));
      expect({ line, code: problem.code, data: problem.data }).toEqual({
        line,
        code: 'request_invalid',
        data: { field: 'x-operator-reason' },
      });
    }
  });
});

describe('an operator’s reason', () => {
  const tooShort = reason['x-operator-reason'].slice(0, 9);
  it.each([
    ['is too short', tooShort],
    ['is too short but for spaces', `    ${tooShort}    `],
    ['is too long', 'x'.repeat(501)],
    ['begins an escape sequence in one byte', `${reason['x-operator-reason']} \u009b31m`],
    ['begins a new line in one byte', `${reason['x-operator-reason']} \u0085`],
    ['has a tab', `${reason['x-operator-reason']}\tx`],
    ['is not ASCII', `${reason['x-operator-reason']} \u00e9`],
  ])('is refused when it %s, and is on no record', async (_what, words) => {
    const before = world.audit.entries.length;
    for (const line of ['GET /tenants', 'GET /tenants/acme']) {
      const problem = await problemOf(await world.ask('operator', line, { headers: { 'x-operator-reason': words } }));
      expect([problem.code, problem.data]).toEqual(['request_invalid', { field: 'x-operator-reason' }]);
    }
    expect(JSON.stringify(world.audit.entries.slice(before))).not.toContain(JSON.stringify(words).slice(1, -1));
  });
});

describe('another tenant', () => {
  const withoutId = async (response: Response): Promise<unknown> => {
    const { requestId: _requestId, ...rest } = await problemOf(response);
    const headers = [...response.headers].filter(([name]) => name !== 'x-request-id');
    return { rest, headers, status: response.status };
  };

  it('reads exactly like one that does not exist', async () => {
    for (const line of [
      'GET /tenants/X',
      'PATCH /tenants/X/oauth',
      'GET /tenants/X/users/customers%23olivia',
      'GET /tenants/X/audit-log',
    ]) {
      const body = line.startsWith('PATCH') ? { identityProviders: [] } : undefined;
      const [there, notThere, noTenant] = await Promise.all(
        ['acme', 'nonesuch', '..%2Facme'].map(async (id) =>
          withoutId(await world.ask('otherOwner', line.replace('X', id), { body, headers: { 'if-match': '"x"' } })),
        ),
      );
      expect(there).toEqual(notThere);
      expect(noTenant).toEqual(notThere);
    }
  });

  it('is on record as an attempt, in the trail of the tenant that it came from', async () => {
    const response = await world.ask('otherOwner', 'GET /tenants/acme/users');
    const { requestId } = await problemOf(response);
    const entry = world.audit.entries.find((each) => each.requestId === requestId);
    expect(entry).toMatchObject({
      type: 'decision',
      effect: 'deny',
      crossTenant: true,
      code: 'cross_tenant',
      tenant: 'globex',
      name: '/admin/tenants/acme/users',
      actor: { id: 'customers#gina' },
    });
  });

  it('is not reached by a header that names it, nor by one that names the own', async () => {
    const named = await world.ask('otherOwner', 'GET /tenants/globex', { headers: { 'x-tenant-id': 'acme' } });
    expect((await problemOf(named)).code).toBe('request_invalid');
    const own = await world.ask('otherOwner', 'GET /tenants/acme', { headers: { 'x-tenant-id': 'globex' } });
    expect((await problemOf(own)).code).toBe('request_invalid');
  });

  it('is not reached when the resolver gives another tenant than the path names', async () => {
    const lying = world.apiWith({
      tenants: {
        ...world.tenants,
        resolve: (query) =>
          world.tenants.resolve({
            ...query,
            header: (name) => (name === 'x-tenant-id' ? 'globex' : query.header?.(name)),
          }),
      },
    });
    expect((await world.ask('otherOwner', 'GET /tenants/acme', {}, lying)).status).toBe(404);
    expect((await world.ask('otherOwner', 'GET /tenants/globex', {}, lying)).status).toBe(200);
  });

  it('gets no record of it by what nobody in particular sends', async () => {
    const { requestId } = await problemOf(await world.ask('nobody', 'GET /tenants/acme'));
    const entry = world.audit.entries.find((each) => each.requestId === requestId);
    expect(entry).toMatchObject({ type: 'refusal', code: 'token_missing' });
    expect(entry?.tenant).toBeUndefined();
  });
});

describe('operators with grants', () => {
  const acting = (grant: string): Readonly<Record<string, string>> => ({ 'x-operator-grant': grant });

  it('act in the tenant as far as the grant goes, marked, and change nothing', async () => {
    const asked = await world.ask('support', 'POST /operators/grants', {
      body: { tenant: 'acme', kind: 'break_glass', reason: 'incident 12: members are gone' },
    });
    expect(asked.status).toBe(201);
    const { id } = await jsonOf(asked);
    expect((await problemOf(await world.ask('support', 'GET /tenants/acme/users', { headers: acting(id) }))).code).toBe(
      'grant_invalid',
    );
    expect((await problemOf(await world.ask('support', `POST /operators/grants/${id}/approve`))).code).toBe('denied');
    expect((await world.ask('security', `POST /operators/grants/${id}/approve`)).status).toBe(200);
    const read = await world.ask('support', 'GET /tenants/acme/users', { headers: acting(id) });
    expect(read.status).toBe(200);
    const entry = world.audit.entries.find(
      (each) => each.requestId === read.headers.get('x-request-id') && each.type === 'decision',
    );
    expect(entry?.actor).toMatchObject({ id: 'staff#sam', impersonation: { grant: id, kind: 'break_glass' } });
    for (const [line, body] of [
      ['POST /tenants/acme/users', { userId: 'customers#x', roles: ['member'] }],
      ['POST /tenants/acme/invitations', { email: 'sam@example.com', roles: ['member'] }],
      ['PATCH /tenants/acme/oauth', { identityProviders: [] }],
      ['PUT /tenants/acme/roles/mine', { name: 'Mine', parentRoles: ['admin'], permissions: [] }],
    ] as const) {
      const refused = await world.ask('support', line, { body, headers: { ...acting(id), 'if-match': '*' } });
      expect({ line, code: (await problemOf(refused)).code }).toEqual({ line, code: 'denied' });
    }
    expect((await problemOf(await world.ask('support', 'GET /tenants/globex', { headers: acting(id) }))).code).toBe(
      'not_found',
    );
    expect((await problemOf(await world.ask('operator', 'GET /tenants/acme', { headers: acting(id) }))).code).toBe(
      'grant_invalid',
    );
    expect((await problemOf(await world.ask('owner', 'GET /tenants/acme', { headers: acting(id) }))).code).toBe(
      'grant_invalid',
    );
    expect(
      (await problemOf(await world.ask('support', 'GET /tenants', { headers: { ...reason, ...acting(id) } }))).code,
    ).toBe('grant_invalid');
    const seen = await jsonOf(await world.ask('owner', 'GET /tenants/acme/grants'));
    expect(seen.grants[0]).toMatchObject({ id, operator: 'staff#sam', approvedBy: 'staff#sue' });
    expect((await world.ask('security', `DELETE /operators/grants/${id}`)).status).toBe(200);
    expect((await problemOf(await world.ask('support', 'GET /tenants/acme/users', { headers: acting(id) }))).code).toBe(
      'grant_invalid',
    );
  });

  it('are refused where nobody looks at grants: the header is never ignored', async () => {
    const unaware = world.apiWith({ tenants: resolver({ registry: world.registry }) });
    for (const who of ['owner', 'support'] as const) {
      const refused = await world.ask(who, 'GET /tenants/acme', { headers: acting('any') }, unaware);
      expect((await problemOf(refused)).code).toBe(who === 'owner' ? 'grant_invalid' : 'not_found');
    }
  });

  it('change nothing even where policy would let them', async () => {
    const asked = await world.ask('support', 'POST /operators/grants', {
      body: { tenant: 'acme', kind: 'support', reason: 'ticket 4712: a look around' },
    });
    const { id } = await jsonOf(asked);
    const yes = world.apiWith({
      pdp: {
        ...world.pdp,
        check: async (request) =>
          (await world.pdp.check(request)).map((decisions) =>
            decisions.map((decision) => ({ ...decision, effect: 'allow' as const })),
          ),
      },
    });
    const body = { userId: 'customers#x', roles: ['readonly'] };
    expect((await world.ask('support', 'GET /tenants/acme/users', { headers: acting(id) }, yes)).status).toBe(200);
    const refused = await world.ask('support', 'POST /tenants/acme/users', { body, headers: acting(id) }, yes);
    expect((await problemOf(refused)).code).toBe('denied');
  });

  it('never make one of their own a member', async () => {
    const body = { userId: 'staff#oscar', roles: ['owner'] };
    const refused = await world.ask('operator', 'POST /tenants/acme/users', { body, headers: reason });
    expect((await problemOf(refused)).code).toBe('denied');
  });

  it('are on record in their own words, and so is what they change', async () => {
    const changed = await change(
      'operator',
      'PATCH /tenants/globex/quotas',
      { limits: { requestsPerMinute: 7 } },
      undefined,
      reason,
    );
    expect(changed.status).toBe(200);
    expect(await jsonOf(changed)).toMatchObject({
      limits: { requestsPerMinute: 7 },
      effective: { limits: { requestsPerMinute: 7 }, quotas: { maxUsers: 50 } },
    });
    const requestId = changed.headers.get('x-request-id');
    const entries = world.audit.entries.filter((each) => each.requestId === requestId);
    expect(entries.map(({ type }) => type)).toEqual(['operator', 'decision', 'configuration', 'outcome']);
    expect(entries[0]).toMatchObject({
      action: 'tenant.limits:write',
      tenant: 'globex',
      reason: reason['x-operator-reason'],
    });
    expect(entries[2]).toMatchObject({
      action: 'tenant.quotas',
      before: { limits: {} },
      after: { limits: { requestsPerMinute: 7 } },
      reason: reason['x-operator-reason'],
    });
  });
});

describe('changes', () => {
  it('are made once of two that are based on the same state', async () => {
    const read = await world.ask('operator', 'GET /tenants/globex', { headers: reason });
    const headers = { ...reason, 'if-match': read.headers.get('etag') ?? '' };
    const both = await Promise.all(
      ['One', 'Two'].map((name) => world.ask('operator', 'PATCH /tenants/globex', { body: { name }, headers })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  it('are refused for a stale, a weak or a made-up tag, and for none at all', async () => {
    const read = await world.ask('owner', 'GET /tenants/acme/features');
    const etag = read.headers.get('etag') ?? '';
    const sent = async (ifMatch: string): Promise<number> =>
      (await world.ask('owner', 'PATCH /tenants/acme/features', { body: {}, headers: { 'if-match': ifMatch } })).status;
    expect(await sent('"1-stale"')).toBe(412);
    expect(await sent(`W/${etag}`)).toBe(412);
    expect(await sent('1')).toBe(400);
    expect(await sent(`"other", ${etag}`)).toBe(200);
    const unchanged = await world.ask('owner', 'GET /tenants/acme/quotas');
    const again = await world.ask('owner', 'GET /tenants/acme/quotas', {
      headers: { 'if-none-match': unchanged.headers.get('etag') ?? '' },
    });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('of a record that was made anew are not based on the old one', async () => {
    const role = (name: string): unknown => ({ name, parentRoles: ['member'], permissions: [] });
    const fresh = { 'if-none-match': '*' };
    const made = await world.ask('owner', 'PUT /tenants/acme/roles/again', { body: role('First'), headers: fresh });
    expect(made.status).toBe(201);
    const stale = { 'if-match': made.headers.get('etag') ?? '' };
    expect(
      (await world.ask('owner', 'PUT /tenants/acme/roles/again', { body: role('First'), headers: fresh })).status,
    ).toBe(412);
    expect((await world.ask('owner', 'DELETE /tenants/acme/roles/again', { headers: stale })).status).toBe(204);
    await world.ask('admin', 'PUT /tenants/acme/roles/again', { body: role('Second'), headers: fresh });
    expect((await world.ask('owner', 'DELETE /tenants/acme/roles/again', { headers: stale })).status).toBe(412);
  });

  it('are on record before they are made: what cannot be recorded is not done', async () => {
    const silent = world.apiWith({ record: () => Promise.reject(new Error('the disk is full')) });
    const read = await world.ask('operator', 'GET /tenants/globex', { headers: reason });
    const headers = { ...reason, 'if-match': read.headers.get('etag') ?? '' };
    const refused = await world.ask('operator', 'PATCH /tenants/globex', { body: { name: 'Silent' }, headers }, silent);
    expect((await problemOf(refused)).code).toBe('audit_unavailable');
    expect((await world.store.getTenant('globex' as never))?.name).not.toBe('Silent');
    const deaf = world.apiWith({
      audit: { ...world.options.audit, record: () => Promise.reject(new Error('the disk is full')) },
    });
    expect((await problemOf(await world.ask('owner', 'GET /tenants/acme', {}, deaf))).code).toBe('audit_unavailable');
  });

  it('of features: absent stays, empty is none, null removes; a tenant takes away and does not give', async () => {
    const operator = (body: unknown): Promise<Response> =>
      change('operator', 'PATCH /tenants/acme/features', body, undefined, reason);
    const owner = (body: unknown): Promise<Response> => change('owner', 'PATCH /tenants/acme/features', body);
    expect(await jsonOf(await operator({ allowedTools: ['a', 'b'], features: { beta: true } }))).toMatchObject({
      allowedTools: ['a', 'b'],
      features: { beta: true },
    });
    expect(await jsonOf(await owner({ allowedTools: ['a'] }))).toMatchObject({
      allowedTools: ['a'],
      features: { beta: true },
    });
    for (const more of [{ allowedTools: ['a', 'b'] }, { allowedTools: null }, { features: { gamma: true } }]) {
      expect((await problemOf(await owner(more))).code).toBe('denied');
    }
    expect(await jsonOf(await owner({ features: { beta: false } }))).toMatchObject({ features: { beta: false } });
    expect((await problemOf(await owner({ features: { beta: true } }))).code).toBe('denied');
    expect((await problemOf(await owner({ features: { beta: null } }))).code).toBe('denied');
    expect(await jsonOf(await owner({ allowedTools: [] }))).toMatchObject({ allowedTools: [] });
    const opened = await jsonOf(await operator({ allowedTools: null, features: { beta: null } }));
    expect(opened).toEqual({ features: { canary: false }, version: opened.version });
  });

  it('of the plan are refused where there is no such plan', async () => {
    const refused = await change('operator', 'PATCH /tenants/acme', { plan: 'fere' }, undefined, reason);
    expect((await problemOf(refused)).data).toEqual({ field: 'body.plan' });
  });

  it('of the status take hold with the next request', async () => {
    const suspended = await change(
      'security',
      'PUT /tenants/globex/status',
      { state: 'suspended', reason: 'unpaid' },
      undefined,
      reason,
    );
    expect(suspended.status).toBe(200);
    expect((await problemOf(await world.ask('otherOwner', 'GET /tenants/globex'))).code).toBe('tenant_suspended');
    const me = await jsonOf(await world.ask('otherOwner', 'GET /me'));
    expect(me.tenants).toEqual([{ id: 'globex', standing: 'suspended' }]);
    await change('security', 'PUT /tenants/globex/status', { state: 'active' }, undefined, reason);
    expect((await world.ask('otherOwner', 'GET /tenants/globex')).status).toBe(200);
  });

  it('of members keep everybody from giving more than it has, and the last owner in', async () => {
    const up = await world.ask('admin', 'POST /tenants/acme/users', {
      body: { userId: 'customers#x', roles: ['owner'] },
    });
    expect((await problemOf(up)).code).toBe('denied');
    const own = await change('admin', 'PATCH /tenants/acme/users/customers%23adam', { roles: ['owner'] });
    expect((await problemOf(own)).code).toBe('denied');
    const last = await change('owner', 'DELETE /tenants/acme/users/customers%23olivia', undefined);
    expect((await problemOf(last)).code).toBe('last_owner');
    const id = 'customers#odd/../%2e/|ü';
    const added = await world.ask('admin', 'POST /tenants/acme/users', { body: { userId: id, roles: ['member'] } });
    expect(added.status).toBe(201);
    const location = (added.headers.get('location') ?? '').slice('/admin'.length);
    expect(await jsonOf(await world.ask('admin', `GET ${location}`))).toMatchObject({ userId: id });
    expect((await change('admin', `DELETE ${location}`, undefined)).status).toBe(204);
  });

  it('of roles make nobody more than it is', async () => {
    const fresh = { 'if-none-match': '*' };
    const owners = { name: 'Owners', parentRoles: ['owner'], permissions: [{ resource: '*', action: '*' }] };
    const direct = await world.ask('admin', 'PUT /tenants/acme/roles/bosses', { body: owners, headers: fresh });
    expect((await problemOf(direct)).code).toBe('denied');
    expect(
      (
        await world.ask('owner', 'PUT /tenants/acme/roles/bosses', {
          body: { ...owners, permissions: [] },
          headers: fresh,
        })
      ).status,
    ).toBe(201);
    const around = await world.ask('admin', 'PUT /tenants/acme/roles/under', {
      body: { ...owners, parentRoles: ['bosses'] },
      headers: fresh,
    });
    expect((await problemOf(around)).code).toBe('denied');
    for (const body of [owners, { ...owners, parentRoles: ['member'] }]) {
      const rewritten = await change('admin', 'PUT /tenants/acme/roles/bosses', body);
      expect((await problemOf(rewritten)).code).toBe('denied');
    }
    expect((await problemOf(await change('admin', 'DELETE /tenants/acme/roles/bosses', undefined))).code).toBe(
      'denied',
    );
    expect((await change('owner', 'DELETE /tenants/acme/roles/bosses', undefined)).status).toBe(204);
  });
});

describe('who may sign in', () => {
  const bind = (who: Who, identityProviders: unknown, api = world.api): Promise<Response> =>
    world.ask(who, 'GET /tenants/acme/oauth', { headers: who === 'operator' ? reason : {} }, api).then((read) =>
      world.ask(
        who,
        'PATCH /tenants/acme/oauth',
        {
          body: { identityProviders },
          headers: { 'if-match': read.headers.get('etag') ?? '', ...(who === 'operator' ? reason : {}) },
        },
        api,
      ),
    );
  const own = { provider: 'customers' };

  it.each([
    ['somebody else’s directory', [own, { provider: 'entra', tenantHint: 'directory-of-globex' }]],
    ['an own provider with a hint', [own, { provider: 'customers', tenantHint: 'org_globex' }]],
    ['the operators’ provider', [own, { provider: 'staff' }]],
    ['everybody at a shared provider', [{ provider: 'customers', membership: 'token', roles: { user: 'member' } }]],
    ['everybody at a provider of the list', [own, { provider: 'partners', membership: 'token' }]],
  ])('an owner cannot bind %s', async (_what, bindings) => {
    const api = world.apiWith({ providers: ['partners', 'entra'] });
    expect((await problemOf(await bind('owner', bindings, api))).code).toBe('denied');
    expect((await world.store.getTenant('acme' as never))?.settings.identityProviders).toEqual([own]);
  });

  it('an owner cannot lock itself out, and an administrator changes nothing', async () => {
    expect((await problemOf(await bind('owner', []))).code).toBe('conflict');
    expect((await problemOf(await bind('admin', [own]))).code).toBe('denied');
  });

  it('an owner binds a provider of the platform’s list; an operator binds anything', async () => {
    const api = world.apiWith({ providers: ['partners'] });
    expect((await bind('owner', [own, { provider: 'partners' }], api)).status).toBe(200);
    expect(
      (await problemOf(await bind('owner', [own, { provider: 'partners' }, { provider: 'others' }], api))).code,
    ).toBe('denied');
    const hinted = { provider: 'entra', tenantHint: 'directory-of-acme' };
    expect((await bind('operator', [own, hinted])).status).toBe(200);
    // What an operator bound is the owner's to shape.
    expect((await bind('owner', [own, { ...hinted, membership: 'token', roles: { User: 'member' } }])).status).toBe(
      200,
    );
    expect((await bind('owner', [own])).status).toBe(200);
    expect((await problemOf(await bind('owner', [own, hinted]))).code).toBe('denied');
  });
});

describe('an idempotency key', () => {
  const create = (key: string, id: string, who: Who = 'operator', api = world.api): Promise<Response> =>
    world.ask(
      who,
      'POST /tenants',
      { body: { id, name: 'Twice' }, headers: { ...reason, 'idempotency-key': key } },
      api,
    );

  it('makes one tenant of ten concurrent requests', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => create('key-1', 'once')));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThan(0);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect(answer.status).toBe(409);
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    const created = world.audit.entries.filter((each) => each.type === 'configuration' && each.target === 'once');
    expect(created.length).toBe(1);
  });

  it('gives the same answer again, to the same caller and for the same request alone', async () => {
    const first = await create('key-2', 'twice');
    const second = await create('key-2', 'twice');
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await second.text()).toBe(await first.text());
    expect([first.headers.get('etag'), second.headers.get('location')]).toEqual([
      second.headers.get('etag'),
      first.headers.get('location'),
    ]);
    expect([first, second].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    expect((await problemOf(await create('key-2', 'thrice'))).code).toBe('idempotency_mismatch');
    const body = { userId: 'customers#dup', roles: ['member'] };
    const elsewhere = await world.ask('owner', 'POST /tenants/acme/users', {
      body,
      headers: { 'idempotency-key': 'key-2' },
    });
    expect(elsewhere.status).toBe(201);
    const other = await world.ask('admin', 'POST /tenants/acme/users', {
      body,
      headers: { 'idempotency-key': 'key-2' },
    });
    expect((await problemOf(other)).code).toBe('conflict');
  });

  it('keeps a refusal, and not a failure', async () => {
    const refused = await create('key-3', 'twice');
    const again = await create('key-3', 'twice');
    expect(await again.text()).toBe(await refused.text());
    let down = true;
    const flaky = world.apiWith({
      store: {
        ...world.store,
        createTenant: (tenant) =>
          down ? Promise.reject(new Error('the connection is gone')) : world.store.createTenant(tenant),
      },
    });
    expect((await problemOf(await create('key-4', 'flaky', 'operator', flaky))).code).toBe('store_unavailable');
    down = false;
    expect((await create('key-4', 'flaky', 'operator', flaky)).status).toBe(201);
  });

  it('is on record as what was answered, and as a replay', async () => {
    const outcomesOf = async (key: string, id: string): Promise<readonly unknown[]> => {
      const answers = [await create(key, id), await create(key, id)];
      return answers.map((answer) => {
        const requestId = answer.headers.get('x-request-id');
        const [entry] = world.audit.entries.filter((each) => each.type === 'outcome' && each.requestId === requestId);
        return entry?.type === 'outcome' ? [entry.outcome, entry.code, entry.reason] : entry;
      });
    };
    expect(await outcomesOf('key-6', 'replayed')).toEqual([
      ['ok', undefined, reason['x-operator-reason']],
      ['ok', undefined, 'replayed: carried out as an earlier request'],
    ]);
    expect(await outcomesOf('key-7', 'replayed')).toEqual([
      ['error', 'conflict', expect.any(String)],
      ['error', 'conflict', expect.stringMatching(/^replayed: refused as the request [\w-]{36}$/)],
    ]);
  });

  it('gives nothing to whoever may not send the request any more', async () => {
    const headers = { 'idempotency-key': 'key-5' };
    const body = { email: 'zoe@acme.example', roles: ['member'] };
    await world.ask('owner', 'POST /tenants/acme/users', { body: { userId: 'customers#eve', roles: ['admin'] } });
    const sent = await world.ask('stranger', 'POST /tenants/acme/invitations', { body, headers });
    expect(sent.status).toBe(201);
    await change('owner', 'DELETE /tenants/acme/users/customers%23eve', undefined);
    expect((await world.ask('stranger', 'POST /tenants/acme/invitations', { body, headers })).status).toBe(404);
  });

  it('fills the store with nobody’s refusals, and with no more than its share', async () => {
    const api = world.apiWith({
      idempotency: memoryIdempotency({ maxPerPerson: 3, maxPerTenant: 4 }),
      personalRequestsPerMinute: 5,
    });
    const accept = (key: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      world.ask(
        'stranger',
        'POST /invitations/accept',
        { body: { token: 'none' }, headers: { 'idempotency-key': key, ...headers } },
        api,
      );
    const codes: string[] = [];
    for (let at = 0; at < 6; at++) codes.push((await problemOf(await accept(`many-${String(at)}`))).code);
    expect(codes.slice(0, 3)).not.toContain('limit_exceeded');
    expect(codes.slice(3)).toEqual(['limit_exceeded', 'limit_exceeded', 'rate_limited']);
    const refused = await world.ask('stranger', 'GET /me', {}, api);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    // Nobody else notices.
    expect((await world.ask('member', 'GET /me', {}, api)).status).toBe(200);
    const invite = (who: Who, at: number): Promise<Response> =>
      world.ask(
        who,
        'POST /tenants/acme/invitations',
        {
          body: { email: `n${String(at)}@acme.example`, roles: ['member'] },
          headers: { 'idempotency-key': String(at) },
        },
        api,
      );
    const sent: number[] = [];
    for (let at = 0; at < 4; at++) sent.push((await invite('admin', at)).status);
    expect(sent).toEqual([201, 201, 201, 429]);
    expect([(await invite('owner', 4)).status, (await invite('owner', 5)).status]).toEqual([201, 429]);
    expect((await create('elsewhere', 'elsewhere', 'operator', api)).status).toBe(201);
  });

  it('is refused when it is malformed', async () => {
    expect((await problemOf(await create('a b', 'spaced'))).code).toBe('request_invalid');
  });
});

describe('a request', () => {
  it.each([
    ['another media type', { headers: { 'content-type': 'text/plain' }, body: '{}' }, 'media_type_unsupported'],
    [
      'a form',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'roles=owner' },
      'media_type_unsupported',
    ],
    [
      'another charset',
      { headers: { 'content-type': 'application/json; charset=utf-16' }, body: '{}' },
      'media_type_unsupported',
    ],
    ['what is no JSON', { body: '{"roles":' }, 'json_invalid'],
    [
      'a member twice',
      { body: '{"userId":"customers#twice","roles":["member"],"roles":["owner"]}' },
      'request_invalid',
    ],
    ['an unknown member', { body: { userId: 'a#b', roles: ['member'], isOperator: true } }, 'request_invalid'],
    ['absurd nesting', { body: `${'['.repeat(50)}${']'.repeat(50)}` }, 'request_invalid'],
    ['too much', { body: JSON.stringify({ userId: 'x'.repeat(300_000), roles: [] }) }, 'request_too_large'],
  ])('with %s is refused', async (_what, ask, code) => {
    expect((await problemOf(await world.ask('owner', 'POST /tenants/acme/users', ask))).code).toBe(code);
  });

  it.each([
    ['GET /tenants/acme?tenant=globex', 'request_invalid'],
    ['GET /tenants/acme/users?limit=0', 'request_invalid'],
    ['GET /tenants/acme/users?limit=1&limit=2', 'request_invalid'],
    ['GET /tenants/acme/users?cursor=bm9uZQ', 'request_invalid'],
    ['GET /tenants/acme/usage?month=2026-05&from=2026-05-01&to=2026-05-02', 'request_invalid'],
    ['GET /tenants/acme/', 'not_found'],
    ['GET /tenants/acme/secrets', 'not_found'],
    ['POST /me', 'method_not_allowed'],
    ['OPTIONS /tenants/acme', 'method_not_allowed'],
  ])('%s is refused', async (line, code) => {
    const response = await world.ask('owner', line);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect((await problemOf(response)).code).toBe(code);
    if (code === 'method_not_allowed') expect(response.headers.get('allow')).toContain('GET, HEAD');
  });

  it('from a web page of another origin is refused, before anything else is looked at', async () => {
    const headers = { origin: 'https://evil.example' };
    for (const line of ['GET /me', 'GET /openapi.json', 'POST /tenants']) {
      expect((await problemOf(await world.ask('nobody', line, { headers }))).code).toBe('origin_refused');
    }
    const console = world.apiWith({ allowedOrigins: ['https://console.example.com'] });
    expect(
      (await world.ask('owner', 'GET /me', { headers: { origin: 'https://console.example.com' } }, console)).status,
    ).toBe(200);
  });

  it('with a bad token gets a challenge, and no cache keeps any answer', async () => {
    const response = await world.api.fetch(
      new Request(`${adminUrl}/me`, { headers: { authorization: 'Bearer abc.def.ghi' } }),
    );
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(response.headers.get('www-authenticate')).toContain('/.well-known/oauth-protected-resource/admin');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect((await world.ask('owner', 'GET /me')).headers.get('cache-control')).toBe('no-store');
  });

  it('needs the scope where scopes are asked for', async () => {
    const scoped = world.apiWith({ scopes: { read: 'admin:read', write: 'admin:write' } });
    const send = async (scope: string, method: string): Promise<Response> =>
      scoped.fetch(
        new Request(`${adminUrl}/tenants/acme/features`, {
          method,
          headers: {
            authorization: `Bearer ${await world.token('owner', { scope })}`,
            'content-type': 'application/json',
          },
          ...(method === 'PATCH' ? { body: '{}' } : {}),
        }),
      );
    expect((await send('admin:read', 'GET')).status).toBe(200);
    const refused = await send('admin:read', 'PATCH');
    expect(refused.headers.get('www-authenticate')).toContain('scope="admin:write"');
    expect((await problemOf(refused)).code).toBe('scope_insufficient');
    expect((await send('admin:write', 'PATCH')).status).toBe(428);
  });

  it('counts against the limits of its tenant', async () => {
    const limited = world.apiWith({
      limiter: {
        ...world.options.limiter!,
        request: () => Promise.reject(new Error('the counters are gone')),
      },
    });
    expect((await problemOf(await world.ask('owner', 'GET /tenants/acme', {}, limited))).code).toBe(
      'limits_unavailable',
    );
    await world.store.createTenant({
      id: 'tight' as never,
      name: 'Tight',
      settings: { identityProviders: [{ provider: 'customers' }], limits: { requestsPerMinute: 2 } },
    });
    await world.store.addMember('tight' as never, 'customers#eve', ['owner']);
    const statuses: number[] = [];
    for (let count = 0; count < 3; count++) {
      const response = await world.ask('stranger', 'GET /tenants/tight');
      statuses.push(response.status);
      if (response.status === 429) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  it('is refused when the PDP cannot be asked, answers half, or asks for what nobody can do', async () => {
    const answering = (check: AdminWorld['pdp']['check']): ReturnType<AdminWorld['apiWith']> =>
      world.apiWith({ pdp: { ...world.pdp, check } });
    const code = async (api: ReturnType<AdminWorld['apiWith']>): Promise<string> =>
      (await problemOf(await world.ask('owner', 'GET /tenants/acme', {}, api))).code;
    expect(await code(answering(() => Promise.resolve([])))).toBe('pdp_unavailable');
    expect(await code(answering(() => Promise.resolve([[]])))).toBe('pdp_unavailable');
    expect(
      await code(
        answering(async (request) => [
          ((await world.pdp.check(request))[0] ?? []).map((decision) => ({ ...decision, action: 'read:other' })),
        ]),
      ),
    ).toBe('pdp_unavailable');
    expect(
      await code(
        answering(async (request) => [
          ((await world.pdp.check(request))[0] ?? []).map((decision) => ({
            ...decision,
            obligations: [{ id: '1', type: 'human_approval', properties: {} }],
          })),
        ]),
      ),
    ).toBe('obligation_failed');
    expect(await code(answering(() => Promise.reject(new Error('boom'))))).toBe('store_unavailable');
  });

  it('that takes too long is answered, and carried out once', async () => {
    let end = (): void => undefined;
    let runs = 0;
    const slow = world.apiWith({
      timeoutMs: 300,
      store: {
        ...world.store,
        createTenant: async (tenant) => {
          runs++;
          await new Promise<void>((resolve) => (end = resolve));
          return world.store.createTenant(tenant);
        },
      },
    });
    const headers = { ...reason, 'idempotency-key': 'slow' };
    const send = (): Promise<Response> =>
      world.ask('operator', 'POST /tenants', { body: { id: 'slow', name: 'Slow' }, headers }, slow);
    expect((await problemOf(await send())).code).toBe('store_unavailable');
    // Longer than the lease of the key, which is renewed.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await problemOf(await send())).code).toBe('conflict');
    end();
    await expect.poll(async () => (await send()).status).toBe(201);
    const again = await send();
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 'true']);
    expect(runs).toBe(1);
    await slow.close();
  });
});

describe('the rest of a tenant’s life', () => {
  it('lets an invited person in, once', async () => {
    const sent = await jsonOf(
      await world.ask('admin', 'POST /tenants/acme/invitations', {
        body: { email: 'eve@acme.example', roles: ['member'] },
      }),
    );
    const accept = async (claims: Readonly<Record<string, unknown>>): Promise<Response> =>
      world.api.fetch(
        new Request(`${adminUrl}/invitations/accept`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await world.token('stranger', claims)}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ token: sent.token }),
        }),
      );
    expect((await problemOf(await accept({ email: 'eve@acme.example' }))).code).toBe('invitation_invalid');
    const joined = await accept({ email: 'eve@acme.example', email_verified: true });
    expect(await jsonOf(joined)).toMatchObject({ tenant: 'acme', userId: 'customers#eve', roles: ['member'] });
    expect((await problemOf(await accept({ email: 'eve@acme.example', email_verified: true }))).code).toBe(
      'invitation_invalid',
    );
    await change('owner', 'DELETE /tenants/acme/users/customers%23eve', undefined);
    const listed = JSON.stringify(await jsonOf(await world.ask('owner', 'GET /tenants/acme/invitations')));
    expect(listed).not.toContain(sent.token.split('.')[2]);
  });

  it('proves a domain by its record', async () => {
    const claimed = await jsonOf(
      await world.ask('owner', 'POST /tenants/acme/domains', { body: { domain: 'Acme.example' } }),
    );
    const verify = (): Promise<Response> => world.ask('owner', 'POST /tenants/acme/domains/acme.example/verify');
    expect((await problemOf(await verify())).code).toBe('domain_unverified');
    world.txt.set(claimed.record.name, claimed.record.value);
    expect(await jsonOf(await verify())).toMatchObject({ domains: [{ domain: 'acme.example', state: 'verified' }] });
    expect(
      (
        await problemOf(
          await world.ask('otherOwner', 'POST /tenants/globex/domains', { body: { domain: 'acme.example' } }),
        )
      ).code,
    ).toBe('conflict');
  });

  it('shows and ends sessions of the tenant alone', async () => {
    const session = (tenant: string, id: string): Parameters<AdminWorld['sessions']['note']>[0][number] => ({
      tenant: tenant as never,
      id,
      user: 'customers#mia',
      openedAt: 1000,
    });
    await world.sessions.note([session('acme', 's1'), session('globex', 's2')]);
    const ended: string[] = [];
    world.sessions.onEnd((_tenant, id) => ended.push(id));
    const { sessions } = await jsonOf(await world.ask('owner', 'GET /tenants/acme/sessions'));
    expect(sessions).toEqual([{ id: 's1', user: 'customers#mia', openedAt: '1970-01-01T00:00:01.000Z' }]);
    expect((await world.ask('owner', 'DELETE /tenants/acme/sessions/s2')).status).toBe(404);
    expect((await world.ask('owner', 'DELETE /tenants/acme/sessions/s1')).status).toBe(202);
    expect(ended).toEqual(['s1']);
  });

  it('shows and ends no session that the directory gives by mistake', async () => {
    const foreign = { tenant: tenantId('globex'), id: 's3', user: 'customers#gina', openedAt: 0 };
    const mixed = world.apiWith({ sessions: { ...world.sessions, list: () => Promise.resolve([foreign]) } });
    expect((await jsonOf(await world.ask('owner', 'GET /tenants/acme/sessions', {}, mixed))).sessions).toEqual([]);
    expect((await world.ask('owner', 'DELETE /tenants/acme/sessions/s3', {}, mixed)).status).toBe(404);
  });

  it('tells its usage, as JSON and as CSV', async () => {
    world.usage.record({
      tenant: 'acme' as never,
      user: 'customers#mia',
      tool: '=cmd()',
      outcome: 'allowed',
      latencyMs: 4,
      at: Date.UTC(2026, 4, 2),
    });
    world.usage.record({
      tenant: 'globex' as never,
      user: 'customers#gina',
      tool: 'secret_tool',
      outcome: 'allowed',
      latencyMs: 4,
      at: Date.UTC(2026, 4, 2),
    });
    await world.usage.flush();
    const report = await jsonOf(await world.ask('owner', 'GET /tenants/acme/usage?month=2026-05&by=day,tool'));
    expect(report).toMatchObject({
      from: '2026-05-01',
      to: '2026-05-31',
      totals: { requests: 1 },
      rows: [{ day: '2026-05-02', tool: '=cmd()' }],
    });
    const csv = await world.ask('owner', 'GET /tenants/acme/usage?month=2026-05&by=tool', {
      headers: { accept: 'text/csv' },
    });
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    const text = await csv.text();
    expect(text).toContain(`"'=cmd()"`);
    expect(text).not.toContain('secret_tool');
  });

  it('pages through its trail, its members and all tenants', async () => {
    for (const [who, line] of [
      ['owner', '/tenants/acme/audit-log?limit=2'],
      ['owner', '/tenants/acme/users?limit=2'],
      ['support', '/tenants?limit=2'],
    ] as const) {
      const seen: string[] = [];
      for (let next: string | undefined = line; next !== undefined && seen.length < 30;) {
        const response: Response = await world.ask(who, `GET ${next}`, { headers: who === 'support' ? reason : {} });
        const body = await jsonOf(response);
        const [items] = Object.values(body).filter((value): value is unknown[] => Array.isArray(value));
        seen.push(...(items ?? []).map((item) => JSON.stringify(item)));
        const link = /^<\/admin(.+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1];
        expect(link === undefined).toBe(body.nextCursor === undefined);
        next = link;
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.length).toBeGreaterThan(2);
    }
  });

  it('shows a tenant its own trail alone', async () => {
    const { records } = await jsonOf(await world.ask('owner', 'GET /tenants/acme/audit-log?limit=1000'));
    expect(new Set(records.map((record) => record.trail))).toEqual(new Set(['tenant:acme']));
    expect(JSON.stringify(records)).not.toContain('gina');
  });
});

describe('jobs', () => {
  it('make, end and bring back a tenant behind the API', async () => {
    const api = withJobs;
    const ask = (line: string, ask: Ask = {}): Promise<Response> =>
      world.ask('operator', line, { ...ask, headers: { ...reason, ...ask.headers } }, api);
    const body = { id: 'fresh', name: 'Fresh', plan: 'pro' };
    const planned = await ask('POST /tenants?dryRun=true', { body });
    expect([planned.status, (await jsonOf(planned)).state]).toEqual([200, 'planned']);
    expect(await world.store.getTenant('fresh' as never)).toBeUndefined();
    const started = await ask('POST /tenants', { body });
    expect(started.status).toBe(202);
    const location = (started.headers.get('location') ?? '').slice('/admin'.length);
    const done = async (at: string): Promise<Json> => {
      for (;;) {
        const job = await jsonOf(await ask(`GET ${at}`));
        if (job.state !== 'running') return job;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    expect(await done(location)).toMatchObject({ action: 'provision', state: 'done', tenant: 'fresh' });
    expect((await problemOf(await ask('POST /tenants', { body }))).code).toBe('conflict');
    const etag = async (): Promise<string> => (await ask('GET /tenants/fresh')).headers.get('etag') ?? '';
    const ending = await ask('DELETE /tenants/fresh', { headers: { 'if-match': await etag() } });
    expect(ending.status).toBe(202);
    const ended = await done((ending.headers.get('location') ?? '').slice('/admin'.length));
    expect(ended).toMatchObject({ action: 'deprovision', state: 'retained' });
    expect((await jsonOf(await ask('GET /tenants/fresh'))).status.state).toBe('suspended');
    expect((await ask('POST /tenants/fresh/cancel')).status).toBe(202);
    await done(`/tenants/fresh/jobs/${(await jsonOf(await ask('GET /tenants/fresh/jobs'))).job.id}`);
    expect((await jsonOf(await ask('GET /tenants/fresh'))).status.state).toBe('active');
    expect((await jsonOf(await ask('GET /tenants/fresh/jobs'))).archives.length).toBe(1);
    expect((await ask('GET /tenants/fresh/jobs/another')).status).toBe(404);
  });

  it('delete at once where there is no lifecycle, and only what is suspended', async () => {
    await world.store.createTenant({ id: 'gone' as never, name: 'Gone' });
    expect((await problemOf(await change('operator', 'DELETE /tenants/gone', undefined, undefined, reason))).code).toBe(
      'conflict',
    );
    await change('operator', 'PUT /tenants/gone/status', { state: 'suspended' }, undefined, reason);
    expect((await change('operator', 'DELETE /tenants/gone', undefined, undefined, reason)).status).toBe(204);
    expect((await world.ask('operator', 'GET /tenants/gone', { headers: reason })).status).toBe(404);
  });
});

describe('over tenants in PostgreSQL', () => {
  let server: PostgresServer;
  let pool: Pool;
  let inSql: AdminWorld;
  beforeAll(async () => {
    server = await startPostgres();
    pool = new Pool({ connectionString: server.url() });
    pool.on('error', () => undefined);
    const store = postgresStore(pool);
    await store.migrate();
    inSql = await startAdminWorld({ store });
  });
  afterAll(async () => {
    await inSql.close();
    await pool.end();
    await server.stop();
  });

  it('a change is made once of ten that are based on one state, on two replicas', async () => {
    const replica = inSql.apiWith({});
    const read = await inSql.ask('operator', 'GET /tenants/acme', { headers: reason });
    const headers = { ...reason, 'if-match': read.headers.get('etag') ?? '' };
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        inSql.ask(
          'operator',
          'PATCH /tenants/acme',
          { body: { name: `Name ${String(at)}` }, headers },
          at % 2 === 0 ? inSql.api : replica,
        ),
      ),
    );
    expect(all.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(9).fill(412)]);
  });

  it('members, roles, settings and pages are as anywhere', async () => {
    const added = await inSql.ask('admin', 'POST /tenants/acme/users', {
      body: { userId: 'customers#odd/|ü', roles: ['member'] },
    });
    expect(added.status).toBe(201);
    const role = {
      name: 'Auditor',
      parentRoles: ['readonly'],
      permissions: [{ resource: 'document', action: 'read' }],
    };
    const made = await inSql.ask('owner', 'PUT /tenants/acme/roles/checker', {
      body: role,
      headers: { 'if-none-match': '*' },
    });
    expect(made.status).toBe(201);
    expect((await inSql.ask('otherOwner', 'GET /tenants/acme/roles/checker')).status).toBe(404);
    const [first, second] = await Promise.all(
      ['limit=3', 'limit=3&orderBy=name'].map(async (query) =>
        jsonOf(await inSql.ask('support', `GET /tenants?${query}`, { headers: reason })),
      ),
    );
    expect([first?.nextCursor, second?.nextCursor]).toEqual([undefined, undefined]);
    const page = await jsonOf(await inSql.ask('support', 'GET /tenants?limit=2', { headers: reason }));
    const foreign = await inSql.ask('support', `GET /tenants?limit=2&orderBy=name&cursor=${page.nextCursor ?? ''}`, {
      headers: reason,
    });
    expect((await problemOf(foreign)).code).toBe('request_invalid');
  });

  it('a database that is gone reads as that, and as nothing else', async () => {
    await server.kill();
    const code = async (who: Who, line: string): Promise<string> =>
      (await problemOf(await inSql.ask(who, line, { headers: who === 'support' ? reason : {} }))).code;
    expect(await code('stranger', 'GET /tenants/acme')).toBe('store_unavailable');
    expect(await code('support', 'GET /tenants')).toBe('store_unavailable');
    await server.restart();
  });
});
