import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { tenantId, type CheckRequest, type PolicyDecisionPoint } from '@portcullis/core';
import { casbin, toCasbin } from '@portcullis/pdp/casbin';
import { embedded } from '@portcullis/pdp/embedded';

// `a:b` and `a_b` are one kind to Cerbos: the first is refused in a policy, and casbin denies what is asked of it.
const kinds = ['document', 'ticket', 'constructor', 'a_b', 'unheard'];
const roles = ['member', 'admin', 'owner', '__proto__', 'none'];
const actions = ['read', 'write', 'read:own', 'toString', 'tools/call'];

const rule = fc.record({
  actions: fc.uniqueArray(fc.constantFrom(...actions, '*'), { minLength: 1, maxLength: 3 }),
  effect: fc.constantFrom('EFFECT_ALLOW', 'EFFECT_ALLOW', 'EFFECT_DENY'),
  roles: fc.uniqueArray(fc.constantFrom(...roles, '*'), { minLength: 1, maxLength: 3 }),
});
/** Of one kind each. */
const policySets = fc
  .uniqueArray(
    fc.record({ resource: fc.constantFrom(...kinds.slice(0, 4)), rules: fc.array(rule, { maxLength: 5 }) }),
    {
      selector: ({ resource }) => resource,
      minLength: 1,
    },
  )
  .map((all) =>
    all.map((one) => ({ apiVersion: 'api.cerbos.dev/v1', resourcePolicy: { ...one, version: 'default' } })),
  );

/** Every role alone, some together and none, on every kind and action. */
const requests: readonly CheckRequest[] = [
  ...roles.map((role) => [role]),
  ['member', 'admin'],
  ['owner', '__proto__', 'none'],
  [],
].map((held) => ({
  principal: { id: 'test#alice', roles: held, attr: {} },
  scope: 'acme',
  questions: kinds.map((kind) => ({ resource: { kind, id: '1', tenant: tenantId('acme') }, actions })),
}));

async function effects(pdp: PolicyDecisionPoint): Promise<readonly string[]> {
  const answers = await Promise.all(requests.map(async (request) => pdp.check(request)));
  return answers.flat(2).map(({ effect }) => effect);
}

let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'casbin-property-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('policies by roles alone', () => {
  it('decide the same in casbin, when they are exported to it, as in the engine for Cerbos policies', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(policySets, async (policies) => {
        const own = join(folder, String(runs++));
        await mkdir(own);
        for (const [at, policy] of policies.entries())
          await writeFile(join(own, `${String(at)}.yaml`), stringify(policy));
        const [one, other] = [await embedded({ policies: own }), await casbin(await toCasbin(own))];
        const [expected, found] = [await effects(one), await effects(other)];
        await Promise.all([one.close(), other.close()]);
        for (const effect of expected) seen.add(effect);
        expect(found).toEqual(expected);
      }),
      { numRuns: 60 },
    );
    expect([...seen].sort()).toEqual(['allow', 'deny']);
  });
});
