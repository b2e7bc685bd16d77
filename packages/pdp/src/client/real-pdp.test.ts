import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tenantId, type CheckRequest, type Decision, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbos, cerbosSidecar, type Sidecar } from '../cerbos/index.js';
import { cached, circuitBreaker, coalesced, shadow, traced, withFallback, type ShadowEvent } from './index.js';

const policy = (actions: string): string => `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  rules:
    - { actions: [${actions}], effect: EFFECT_ALLOW, roles: [member], condition: { match: { expr: R.attr.tenant == P.attr.tenant } } }
`;
const folders: string[] = [];
const started: Sidecar[] = [];

async function start(actions: string): Promise<Sidecar> {
  const policies = mkdtempSync(join(tmpdir(), 'portcullis-client-'));
  folders.push(policies);
  writeFileSync(join(policies, 'note.yaml'), policy(actions));
  const sidecar = await cerbosSidecar({ policies, pollMs: 0 });
  started.push(sidecar);
  return sidecar;
}

const ask = (id: string, notes: readonly string[], tenant = 'acme'): CheckRequest => ({
  principal: { id, roles: ['member'], attr: { tenant: 'acme' } },
  scope: '',
  questions: notes.map((note) => ({
    resource: { kind: 'note', id: note, tenant: tenantId(tenant) },
    actions: ['read', 'write'],
  })),
});
/** Without what tells calls and processes apart: a sidecar knows its revision, a client of its socket does not. */
const decisions = (answer: readonly (readonly Decision[])[]): unknown =>
  answer.map((row) =>
    row.map(({ callId: _call, durationMs: _ms, policyRevision: _revision, ...decision }) => decision),
  );

describe('around real PDPs', () => {
  let [own, same, next]: Sidecar[] = [];
  let remote: PolicyDecisionPoint;
  beforeAll(async () => {
    [own, same, next] = await Promise.all([start('read'), start('read'), start('read, write')]);
    remote = cerbos(own.target, { deadlineMs: 2000 });
  });
  afterAll(async () => {
    await Promise.all([remote, ...started].map((one) => one.close()));
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  const shared = (pdp: PolicyDecisionPoint): PolicyDecisionPoint => ({
    ...pdp,
    engine: pdp.engine,
    close: () => Promise.resolve(),
  });
  const revisionOf = (engines: ReadonlyMap<PolicyDecisionPoint, Sidecar>) => (pdp: PolicyDecisionPoint) =>
    engines.get(pdp)?.revision;

  it('all of them together decide as the PDP does', async () => {
    const events: ShadowEvent[] = [];
    const broken = circuitBreaker(shared(remote));
    const safe = withFallback(broken, { fallback: shared(same!), revisionOf: revisionOf(new Map()) });
    const pdp = traced(
      cached(shadow(coalesced(safe), { engine: shared(same!), onEvent: (event) => events.push(event) }), {
        revisionOf: () => own!.revision,
      }),
    );
    const requests = ['alice', 'alice', 'bob', 'alice'].map((id, index) =>
      ask(id, ['1', `of ${String(index)}`], index === 3 ? 'globex' : 'acme'),
    );
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(requests.map((request) => pdp.check(request)));
      const expected = await Promise.all(requests.map((request) => remote.check(request)));
      expect(answers.map(decisions)).toEqual(expected.map(decisions));
    }
    const effects = (await pdp.check(ask('alice', ['1']))).flat().map(({ effect }) => effect);
    expect(effects).toEqual(['allow', 'deny']);
    expect(events.filter(({ type }) => type === 'difference')).toEqual([]);
  });

  it('a client told to coalesce answers each caller its own', async () => {
    const pdp = cerbos(own!.target, { coalesce: true, maxResources: 2 });
    const answers = await Promise.all(['1', '2', '3'].map((note) => pdp.check(ask('alice', [note]))));
    expect(answers.map((answer) => answer.flat().map(({ resource, effect }) => [resource.id, effect]))).toEqual(
      ['1', '2', '3'].map((note) => [
        [note, 'allow'],
        [note, 'deny'],
      ]),
    );
    expect(new Set(answers.flat(2).map(({ callId }) => callId)).size).toBe(2);
    await pdp.close();
  });

  it('a question that the PDP refuses fails alone', async () => {
    const pdp = cerbos(own!.target, { coalesce: true });
    const settled = await Promise.allSettled(['1', '', '2'].map((note) => pdp.check(ask('alice', [note]))));
    expect(settled).toMatchObject([
      { value: [[{ resource: { id: '1' }, effect: 'allow' }, { effect: 'deny' }]] },
      { reason: { code: 'pdp_unavailable', detail: expect.stringContaining('refused the question') as string } },
      { value: [[{ resource: { id: '2' }, effect: 'allow' }, { effect: 'deny' }]] },
    ]);
    await pdp.close();
  });

  it('the next version of the policies can be tried as a shadow', async () => {
    const events: ShadowEvent[] = [];
    const pdp = shadow(shared(remote), { engine: shared(next!), onEvent: (event) => events.push(event) });
    expect((await pdp.check(ask('alice', ['1']))).flat().map(({ effect }) => effect)).toEqual(['allow', 'deny']);
    await vi.waitFor(() => {
      expect(events).toMatchObject([
        { type: 'difference', aspects: ['effect'], action: 'write', shadow: { effect: 'allow' } },
      ]);
    });
    await pdp.close();
  });

  it('a PDP with the same policies decides when the first has died, and one with others does not', async () => {
    const revisions = new Map<PolicyDecisionPoint, Sidecar>([
      [remote, own!],
      [same!, same!],
      [next!, next!],
    ]);
    const safe = withFallback(remote, { fallback: same!, revisionOf: revisionOf(revisions), deadlineMs: 2000 });
    const unsafe = withFallback(remote, { fallback: next!, revisionOf: revisionOf(revisions), deadlineMs: 2000 });
    const before = decisions(await safe.check(ask('alice', ['1'])));
    await own!.close();
    expect(decisions(await safe.check(ask('alice', ['1'])))).toEqual(before);
    await expect(unsafe.check(ask('alice', ['1']))).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });
});
