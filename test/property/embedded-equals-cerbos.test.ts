import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type CheckRequest } from '@portcullis/core';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { embedded, type EmbeddedEngine } from '@portcullis/pdp/embedded';
import { failWith, folderOf, shrinkingMs, type Case } from './embedded-case.js';
import { differences } from './embedded-difference.js';
import { attributes, expression } from './embedded-expressions.js';
import { anyRequest, globals, imported, policySet, schemaFiles } from './embedded-policy-sets.js';
import { rounds, seed } from './embedded-runs.js';

/** The kinds whose policies both take, as one engine each. Cerbos types expressions more strictly, and refuses more. */
async function engines(
  policies: Map<string, unknown>,
): Promise<{ readonly cerbos: Sidecar; readonly inProcess: EmbeddedEngine }> {
  for (;;) {
    const folder = folderOf(policies);
    try {
      const inProcess = await embedded({ policies: folder, allowWideningScopes: true });
      return {
        inProcess,
        cerbos: await cerbosSidecar({ policies: folder, pollMs: 0, deadlineMs: 60_000, allowWideningScopes: true }),
      };
    } catch (error) {
      if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw error;
      const named = [...new Set([...error.message.matchAll(/\b(e\d+)\.json/g)].map((match) => match[1] ?? ''))];
      if (named.length === 0) throw error;
      for (const name of named) policies.delete(name);
    }
  }
}

/** Both engines on a folder; none where Cerbos finds that the permissions of its scopes contradict each other. */
async function bothOn(folder: string) {
  const options = { policies: folder, allowWideningScopes: true, globals } as const;
  const inProcess = await embedded(options);
  try {
    return { inProcess, cerbos: await cerbosSidecar({ ...options, pollMs: 0, deadlineMs: 60_000 }) };
  } catch (error) {
    if (error instanceof PortcullisError && error.message.startsWith('Scope permission conflicts')) return undefined;
    throw error;
  }
}

/** A policy whose rules show what an expression is: as a value, and as a condition in each place. */
function policyOf(kind: string, text: string): unknown {
  const rule = (action: string, match: unknown) => ({
    actions: [action],
    effect: 'EFFECT_ALLOW',
    roles: ['*'],
    condition: { match },
  });
  return {
    apiVersion: 'api.cerbos.dev/v1',
    resourcePolicy: {
      resource: kind,
      version: 'default',
      variables: { local: { value: text } },
      rules: [
        { actions: ['value'], effect: 'EFFECT_ALLOW', roles: ['*'], output: { when: { ruleActivated: text } } },
        rule('condition', { expr: text }),
        rule('none', { none: { of: [{ expr: text }] } }),
        rule('variable', { expr: 'V.value == null' }),
        rule('variable is true', { expr: 'V.value == true' }),
      ],
    },
  };
}

describe('expressions', () => {
  it('are what they are to Cerbos', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    for (let round = 0; round < rounds; round++) {
      const texts = fc.sample(expression, { numRuns: 250, seed: seed + round });
      const policies = new Map(texts.map((text, index) => [`e${String(index)}`, policyOf(`e${String(index)}`, text)]));
      const { cerbos, inProcess } = await engines(policies);
      const kinds = [...policies.keys()];
      /** One case for each expression. */
      const found = new Map<string, Case>();
      let asked = 0;
      const samples = fc.sample(fc.tuple(attributes, attributes), { numRuns: 12, seed: seed + round });
      for (const [attr, principalAttr] of samples) {
        const request: CheckRequest = {
          principal: { id: 'p', roles: ['r', 'a'], attr: principalAttr },
          scope: '',
          questions: kinds.flatMap((kind) => [
            { resource: { kind, id: '1', tenant: tenantId('t'), attr }, actions: ['value'] },
            {
              resource: { kind, id: '1', tenant: tenantId('t'), attr },
              actions: ['condition', 'none', 'variable', 'variable is true'],
            },
          ]),
        };
        asked += request.questions.length * 2;
        for (const difference of await differences(inProcess, cerbos, request)) {
          const kind = /"kind":"(e\d+)"/.exec(difference)?.[1] ?? '';
          const questions = request.questions.filter(({ resource }) => resource.kind === kind);
          found.set(kind, { request: { ...request, questions }, policies: [policies.get(kind)] });
        }
      }
      await Promise.all([cerbos.close(), inProcess.close()]);
      console.log(`seed ${String(seed + round)}: ${String(kinds.length)} expressions, ${String(asked)} answers`);
      await failWith(`expressions, seed ${String(seed + round)}`, [...found.values()]);
    }
  });
});

describe('policies', () => {
  it('decide as in Cerbos', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    let asked = 0;
    let allowed = 0;
    const sets = 8 * rounds;
    let decided = 0;
    for (let set = 0; set < sets; set++) {
      const [made] = fc.sample(policySet, { numRuns: 1, seed: seed + set });
      const policies = new Map([...made!, ...imported]);
      const started = await bothOn(folderOf(policies, schemaFiles));
      if (started === undefined) continue;
      const { cerbos, inProcess } = started;
      const found: Case[] = [];
      const about = { policies: [...policies.values()], schemas: Object.fromEntries(schemaFiles), globals };
      for (const { questions, ...request } of fc.sample(anyRequest, { numRuns: 75, seed: seed + set })) {
        const full: CheckRequest = {
          ...request,
          questions: questions.map(({ kind, attr, actions }) => ({
            resource: { kind, id: '1', tenant: tenantId('t'), attr },
            actions,
          })),
        };
        const decisions = (await inProcess.check(full)).flat();
        const explanations = (await inProcess.explain(full)).flat();
        for (const [index, { decision, decidedBy, reason }] of explanations.entries()) {
          const { effect, policy, scope } = decisions[index]!;
          expect(decision).toMatchObject({ effect, policy, scope });
          // An allow has its rule, which is of the policy's kind and in the scope that decided.
          if (effect === 'allow') expect(decidedBy, reason).toMatch(scope === '' ? /^[^/]+#/ : `/${scope}#`);
          // A role policy that denies names itself.
          if (policy.startsWith('role.')) expect(decidedBy, reason).toBe(policy);
        }
        asked += decisions.length;
        allowed += decisions.filter(({ effect }) => effect === 'allow').length;
        if ((await differences(inProcess, cerbos, full)).length > 0) found.push({ request: full, ...about });
      }
      await Promise.all([cerbos.close(), inProcess.close()]);
      decided++;
      await failWith(`policies, seed ${String(seed + set)}`, found.slice(0, 1));
    }
    console.log(
      `seed ${String(seed)}: ${String(decided)} policy sets, ${String(asked)} answers, ${String(allowed)} allows`,
    );
  });
});
