import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tenantId, type CheckRequest, type PolicyDecisionPoint } from '@portcullis/core';
import { embedded } from '../embedded/index.js';
import { cerbos } from './client.js';
import { cerbosSidecar } from './sidecar.js';

const own = 'R.attr.owner == P.id || R.attr.owner in P.attr.deputies';
const policy = `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  rules:
    - { actions: ['*'], effect: EFFECT_ALLOW, roles: [member], condition: { match: { expr: "${own}" } } }
`;
const acme = tenantId('acme');
const [half, other] = ['a\ud800', 'a\ud801'];
const principal = { id: 'a', roles: ['member'], attr: { deputies: ['x'] } };
const resource = { kind: 'note', id: '1', tenant: acme, attr: { owner: 'a' } };
const read = (more: Partial<CheckRequest> = {}): CheckRequest => ({
  principal,
  scope: '',
  questions: [{ resource, actions: ['read'] }],
  ...more,
});
const about = (more: object, actions = ['read']): CheckRequest =>
  read({ questions: [{ resource: { ...resource, ...more }, actions }] });

describe('a question with half a character in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-translate-'));
  let remotes: readonly PolicyDecisionPoint[] = [];
  let local: PolicyDecisionPoint | undefined;
  beforeAll(async () => {
    writeFileSync(join(folder, 'note.yaml'), policy);
    const sidecar = await cerbosSidecar({ policies: folder, pollMs: 0 });
    const remote = cerbos(sidecar.target, { deadlineMs: 5000, circuitFailures: 1, circuitOpenMs: 60_000 });
    remotes = [remote, sidecar];
    local = await embedded({ policies: folder });
  });
  afterAll(async () => {
    for (const engine of [...remotes, local]) await engine?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is one that both engines decide alike, where there is none', async () => {
    for (const engine of [...remotes, local!]) {
      const said = async (request: CheckRequest): Promise<unknown> => (await engine.check(request))[0]?.[0]?.effect;
      expect([
        await said(read()),
        await said(about({ attr: { owner: 'b' } })),
        await said(about({ attr: { owner: '\ufffd' } })),
        await said(read({ principal: { ...principal, id: '\u{1f600}' } })),
        await said(about({ attr: { owner: 'x' } })),
      ]).toEqual(['allow', 'deny', 'deny', 'deny', 'allow']);
    }
  });

  it.each<[string, CheckRequest]>([
    [
      'the principal’s id',
      { ...about({ attr: { owner: half } }), principal: { ...principal, id: other, attr: { deputies: [] } } },
    ],
    ['the principal’s id alone', read({ principal: { ...principal, id: half } })],
    ['a role', read({ principal: { ...principal, roles: ['member', half] } })],
    ['the principal’s attributes', read({ principal: { ...principal, attr: { deputies: [other] } } })],
    ['the name of an attribute', read({ principal: { ...principal, attr: { deputies: [{ [half]: 1 }] } } })],
    ['the scope', read({ scope: half })],
    ['the version', read({ policyVersion: half })],
    ['the kind', about({ kind: half })],
    ['the resource’s id', about({ id: half })],
    ['the resource’s attributes', about({ attr: { owner: 'a', deep: [{ text: half }] } })],
    ['the owner', about({ tenant: half })],
    ['an action', about({}, [half])],
    [
      'another question of the same request',
      read({ questions: [...read().questions, ...about({ id: half }).questions] }),
    ],
    ['an attribute, as a number that is none', about({ attr: { owner: 'a', size: Infinity } })],
  ])('is not asked: %s', async (_what, request) => {
    for (const engine of remotes)
      await expect(engine.check(request)).rejects.toMatchObject({
        code: 'pdp_unavailable',
        detail: expect.stringMatching(/^the question cannot be asked/) as string,
      });
    // The refusal is no failure of the endpoint: its circuit would be open now.
    expect((await remotes[0]?.check(read()))?.[0]?.[0]?.effect).toBe('allow');
  });

  it('allows nobody what is another’s, with either engine', async () => {
    const attr = { owner: half };
    for (const engine of [...remotes, local!])
      for (const request of [
        { ...about({ attr }), principal: { ...principal, id: other } },
        { ...about({ attr }), principal: { ...principal, attr: { deputies: [other] } } },
      ])
        await expect(engine.check(request)).rejects.toMatchObject({ code: 'pdp_unavailable' });
  });

  it('is not planned', async () => {
    const plan = { principal, scope: '', kind: 'note', action: 'read', tenant: acme };
    for (const engine of remotes) {
      expect((await engine.plan(plan)).outcome).toBe('conditional');
      for (const more of [
        { principal: { ...principal, id: half } },
        { principal: { ...principal, roles: [half] } },
        { principal: { ...principal, attr: { deputies: [half] } } },
        { attr: { owner: half } },
        { action: half },
        { kind: half },
        { scope: half },
      ])
        await expect(engine.plan({ ...plan, ...more })).rejects.toMatchObject({ code: 'pdp_unavailable' });
    }
  });
});
