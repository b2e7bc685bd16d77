import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import {
  principalOf,
  tenantId,
  type Attributes,
  type CheckRequest,
  type Decision,
  type PolicyDecisionPoint,
  type ResourceQuestion,
} from '@portcullis/core';
import { authzen, serveAuthzen } from '@portcullis/pdp/authzen';
import { cerbos, cerbosBinary } from '@portcullis/pdp/cerbos';
import { contextFor } from '@portcullis/testing/contexts';

const acme = tenantId('acme');
const globex = tenantId('globex');

/** Beside the policies of this repository: obligations, an output that fails, and roles that nobody should have. */
const probe = {
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: {
    resource: 'probe',
    version: 'default',
    rules: [
      { actions: ['subject-type'], effect: 'EFFECT_ALLOW', roles: ['identity'] },
      { actions: ['any-role'], effect: 'EFFECT_ALLOW', roles: ['*'] },
      {
        actions: ['own'],
        effect: 'EFFECT_ALLOW',
        roles: ['*'],
        condition: { match: { expr: 'R.attr.tenant != "" && R.attr.tenant == P.attr.tenant' } },
      },
      {
        actions: ['refund'],
        effect: 'EFFECT_ALLOW',
        roles: ['*'],
        output: { when: { ruleActivated: '{"obligation": "human_approval", "message": "for " + R.id}' } },
      },
      {
        actions: ['forbidden'],
        effect: 'EFFECT_DENY',
        roles: ['*'],
        output: { when: { ruleActivated: '{"obligation": "notify", "level": 3}' } },
      },
      {
        actions: ['broken'],
        effect: 'EFFECT_ALLOW',
        roles: ['*'],
        output: { when: { ruleActivated: '{"obligation": R.attr.nothing.at.all}' } },
      },
    ],
  },
};

let folder: string;
let engine: ChildProcess;
let origin: string;
let overGrpc: PolicyDecisionPoint;
let served: Server;
let servedOrigin: string;
const opened: PolicyDecisionPoint[] = [];

function ask(options: Parameters<typeof authzen>[0]): PolicyDecisionPoint {
  const pdp = authzen({ deadlineMs: 10_000, ...options });
  opened.push(pdp);
  return pdp;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'authzen-'));
  await cp(join(import.meta.dirname, '..', '..', 'policies'), join(folder, 'policies'), { recursive: true });
  await writeFile(join(folder, 'policies', 'resources', 'probe.yaml'), stringify(probe));
  const port = await freePort();
  origin = `http://127.0.0.1:${String(port)}`;
  const config = {
    server: { grpcListenAddr: `unix:${join(folder, 'g')}`, httpListenAddr: `127.0.0.1:${String(port)}` },
    telemetry: { disabled: true },
    engine: { lenientScopeSearch: true },
    schema: { enforcement: 'reject' },
    storage: { driver: 'disk', disk: { directory: join(folder, 'policies'), watchForChanges: false } },
  };
  await writeFile(join(folder, 'config.yaml'), stringify(config));
  engine = spawn(cerbosBinary(), ['server', `--config=${join(folder, 'config.yaml')}`, '--log-level=error'], {
    stdio: 'ignore',
    env: { PATH: '/usr/bin:/bin', HOME: folder, TMPDIR: folder },
  });
  await vi.waitFor(
    async () => {
      expect((await fetch(`${origin}/_cerbos/health`)).status).toBe(200);
    },
    { timeout: 30_000 },
  );
  overGrpc = cerbos(`unix:${join(folder, 'g')}`, { deadlineMs: 10_000 });
  await startServing();
});

afterAll(async () => {
  // The engine first: it must not outlive a beforeAll that failed.
  if (engine.kill()) await once(engine, 'exit');
  for (const pdp of [...opened, overGrpc]) await pdp.close();
  served.closeAllConnections();
  served.close();
  await rm(folder, { recursive: true, force: true });
});

/** Cerbos over gRPC, offered over HTTP by `serveAuthzen`. */
async function startServing(): Promise<void> {
  const port = await listen((served = createServer()));
  servedOrigin = `http://127.0.0.1:${String(port)}`;
  const handler = serveAuthzen(overGrpc, {
    url: servedOrigin,
    explain: true,
    deadlineMs: 10_000,
    authenticate: ({ headers }) =>
      headers.get('authorization') === 'Bearer gateway' ? { tenants: ['acme', 'globex'] } : undefined,
  });
  const listener = getRequestListener(handler);
  served.on('request', (message, reply) => void listener(message, reply));
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  return port;
}

const alice = principalOf(contextFor({ tenant: 'acme', subject: 'alice', memberRoles: ['member'] }));

function about(kind: string, id: string, tenant = acme, attr: Attributes = {}): ResourceQuestion['resource'] {
  return { kind, id, tenant, attr };
}

async function decideOne(pdp: PolicyDecisionPoint, action: string, more: Partial<CheckRequest> = {}) {
  const questions = [{ resource: about('probe', '1'), actions: [action] }];
  const [[decision] = []] = await pdp.check({ principal: alice, scope: 'acme', questions, ...more });
  if (decision === undefined) throw new Error('no decision');
  return decision;
}

/** What a decision says, but for whose it is and when. */
function said({ callId: _callId, durationMs: _durationMs, engine: _engine, ...rest }: Decision): unknown {
  return rest;
}

const tenants = fc.constantFrom(acme, globex);
const requests: fc.Arbitrary<CheckRequest> = fc
  .record({
    tenant: tenants,
    subject: fc.constantFrom('alice', 'bob'),
    memberRoles: fc.subarray(['owner', 'admin', 'member', 'readonly']),
    questions: fc.array(
      fc.record({
        resource: fc.record({
          kind: fc.constantFrom('document', 'tool', 'mcp_server', 'ticket', 'invoice', 'probe', 'nothing'),
          id: fc.constantFrom('1', '2', 'whoami', 'usage_report', '*'),
          tenant: tenants,
          attr: fc.record(
            {
              author: fc.constantFrom('auth0#auth0|alice', 'bob', ''),
              classification: fc.constantFrom('public', 'secret', 'none'),
              status: fc.constantFrom('open', 'closed', 7),
              amount: fc.constantFrom(1, 2500, -3.5),
            },
            { requiredKeys: [] },
          ),
        }),
        actions: fc.uniqueArray(
          fc.constantFrom(
            'read',
            'list',
            'update',
            'delete',
            'tools/call',
            'tools/list',
            'own',
            'refund',
            'forbidden',
            'broken',
          ),
          { minLength: 1, maxLength: 4 },
        ),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  })
  .map(({ questions, ...who }) => ({ principal: principalOf(contextFor(who)), scope: who.tenant, questions }));

describe('the AuthZEN endpoint of the Cerbos PDP', () => {
  it('decides as the same PDP does over gRPC: effects, policies, scopes, outputs, obligations', async () => {
    const pdp = ask({ discovery: origin, requireMeta: true });
    let allowed = 0;
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const [http, grpc] = await Promise.all([pdp.check(request), overGrpc.check(request)]);
        expect(http.map((row) => row.map(said))).toEqual(grpc.map((row) => row.map(said)));
        allowed += http.flat().filter(({ effect }) => effect === 'allow').length;
      }),
      { numRuns: 150 },
    );
    expect(allowed).toBeGreaterThan(50);
  });

  it('puts two tenants’ resources of one id together in a batch of its own, and is never sent such a batch', async () => {
    const raw = async (): Promise<unknown> => {
      const one = (tenant: string) => ({ resource: { type: 'probe', id: '1', properties: { tenant } } });
      const body = {
        subject: { type: 'identity', id: 'alice', properties: { tenant: 'acme', 'cerbos.roles': ['member'] } },
        action: { name: 'own' },
        context: { 'cerbos.requestId': 'r-1' },
        evaluations: [one('acme'), one('globex')],
      };
      const headers = { 'content-type': 'application/json' };
      const sent = { method: 'POST', headers, body: JSON.stringify(body) };
      return (await fetch(`${origin}/access/v1/evaluations`, sent)).json();
    };
    // Where this fails, the PDP has learned to tell them apart, and `batchesOf` may have had its day.
    expect(await raw()).toEqual({ evaluations: [{ decision: true }, { decision: true }] });

    const answer = await ask({ url: origin }).check({
      principal: alice,
      scope: 'acme',
      questions: [acme, globex].map((tenant) => ({ resource: about('probe', '1', tenant), actions: ['own', 'read'] })),
    });
    expect(answer.map((row) => row.map(({ effect }) => effect))).toEqual([
      ['allow', 'deny'],
      ['deny', 'deny'],
    ]);
  });

  it('does not take the subject’s type for the role of somebody who has none', async () => {
    const nobody = { ...alice, roles: [] };
    const pdp = ask({ url: origin });
    expect((await decideOne(pdp, 'any-role', { principal: nobody })).effect).toBe('allow');
    expect((await decideOne(pdp, 'subject-type', { principal: nobody })).effect).toBe('deny');
    expect((await decideOne(pdp, 'subject-type', { principal: { ...alice, roles: [''] } })).effect).toBe('deny');
  });

  it('brings obligations, of permits and of denials, and one that failed as one that nobody can carry out', async () => {
    const pdp = ask({ url: origin });
    const refund = await decideOne(pdp, 'refund');
    expect(refund.effect).toBe('allow');
    expect(refund.obligations).toMatchObject([{ type: 'human_approval', properties: { message: 'for 1' } }]);
    const forbidden = await decideOne(pdp, 'forbidden');
    expect(forbidden.effect).toBe('deny');
    expect(forbidden.obligations).toMatchObject([{ type: 'notify', properties: { level: 3 } }]);
    expect((await decideOne(pdp, 'broken')).obligations).toMatchObject([{ type: 'malformed' }]);
  });

  it('takes a question of many resources and actions, in parts', async () => {
    const questions = Array.from({ length: 60 }, (_, index) => ({
      resource: about('probe', String(index)),
      actions: ['own', 'nothing', 'refund'],
    }));
    const answer = await ask({ url: origin }).check({ principal: alice, scope: 'acme', questions });
    expect(answer.map((row) => row.map(({ effect }) => effect).join())).toEqual(
      Array.from({ length: 60 }, () => 'allow,deny,allow'),
    );
    expect(answer.map(([, , refund]) => refund?.obligations[0]?.properties['message'])).toEqual(
      Array.from({ length: 60 }, (_, index) => `for ${String(index)}`),
    );
  });
});

describe('serveAuthzen in front of Cerbos', () => {
  it('decides as the engine behind it does, over HTTP', async () => {
    const pdp = ask({ discovery: servedOrigin, token: () => 'gateway', requireMeta: true });
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        // Evaluations are asked one by one, and an output that fails touches no other action then.
        const apart = request.questions.flatMap(({ resource, actions }) =>
          actions.map((action) => ({ resource, actions: [action] })),
        );
        const [there, here] = await Promise.all([pdp.check(request), overGrpc.check({ ...request, questions: apart })]);
        expect(there.flat().map(said)).toEqual(here.flat().map(said));
      }),
      { numRuns: 60 },
    );
  });

  it('answers nobody whom it does not know', async () => {
    const pdp = ask({ url: servedOrigin, token: () => 'stolen' });
    await expect(decideOne(pdp, 'own')).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: 'the PDP answered with HTTP status 401',
    });
  });
});
