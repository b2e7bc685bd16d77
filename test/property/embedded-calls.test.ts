import fc from 'fast-check';
import { describe, it } from 'vitest';
import { PortcullisError, tenantId, type CheckRequest, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { call, callAttributes, eachForm } from './embedded-calls.js';
import { failWith, folderOf, shrinkingMs, type Case } from './embedded-case.js';
import { differences } from './embedded-difference.js';
import { rounds, seed } from './embedded-runs.js';

/** A policy whose rules show what an expression is: as a value, as a condition, and as a variable. */
function policyOf(kind: string, text: string): unknown {
  const rule = (action: string, match: unknown) => ({
    actions: [action],
    effect: 'EFFECT_ALLOW',
    roles: ['*'],
    condition: { match },
  });
  const rules = [
    { actions: ['value'], effect: 'EFFECT_ALLOW', roles: ['*'], output: { when: { ruleActivated: text } } },
    rule('condition', { expr: text }),
    rule('none', { none: { of: [{ expr: text }] } }),
    rule('variable', { expr: 'V.value == null' }),
  ];
  const policy = { resource: kind, version: 'default', variables: { local: { value: text } }, rules };
  return { apiVersion: 'api.cerbos.dev/v1', resourcePolicy: policy };
}

type Start = (policies: string) => Promise<PolicyDecisionPoint>;

/** An engine on the policies that it takes; those that it refuses are taken out. */
async function started(start: Start, policies: Map<string, unknown>): Promise<PolicyDecisionPoint> {
  for (;;) {
    const folder = folderOf(policies);
    try {
      return await start(folder);
    } catch (error) {
      if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw error;
      const named = [...error.message.matchAll(/\b(e\d+)\.json/g)].map((match) => match[1] ?? '');
      if (named.length === 0) throw error;
      for (const name of named) policies.delete(name);
    }
  }
}

/** What this engine does not answer it may: it is denied. Everything else has to be the same. */
async function answers(pdp: PolicyDecisionPoint, request: CheckRequest): Promise<boolean> {
  try {
    await pdp.check(request);
    return true;
  } catch {
    return false;
  }
}

describe('calls of all functions', () => {
  it('come to what they come to in Cerbos', { timeout: 240_000 * rounds + shrinkingMs }, async () => {
    for (let round = 0; round < rounds; round++) {
      const sampled = { seed: seed + round };
      const shallow = eachForm.flatMap((form) => fc.sample(form, { numRuns: 3, ...sampled }));
      const texts = [...new Set([...shallow, ...fc.sample(call, { numRuns: 200, ...sampled })])];
      const policies = new Map(texts.map((text, index) => [`e${String(index)}`, policyOf(`e${String(index)}`, text)]));
      // Cerbos first: what it takes and this engine refuses is counted.
      const first = await started(
        (folder) =>
          cerbosSidecar({
            policies: folder,
            pollMs: 0,
            allowWideningScopes: true,
            deadlineMs: 20_000,
            startTimeoutMs: 60_000,
          }),
        policies,
      );
      const takenByCerbos = policies.size;
      const inProcess = await started((folder) => embedded({ policies: folder, allowWideningScopes: true }), policies);
      /** One case for each expression. */
      const found = new Map<string, Case>();
      let [asked, unanswered] = [0, 0];
      for (const attr of fc.sample(callAttributes, { numRuns: 6, seed: seed + round })) {
        const principal = { id: 'p', roles: ['r', 'a'], attr: {} };
        const of = (kind: string): CheckRequest => ({
          principal,
          scope: '',
          questions: ['value', 'condition', 'none', 'variable'].map((action) => ({
            resource: { kind, id: '1', tenant: tenantId('t'), attr },
            actions: [action],
          })),
        });
        const kinds: string[] = [];
        for (const kind of policies.keys()) if (await answers(inProcess, of(kind))) kinds.push(kind);
        unanswered += policies.size - kinds.length;
        for (let start = 0; start < kinds.length; start += 100) {
          const some = kinds.slice(start, start + 100);
          const batch = { principal, scope: '', questions: some.flatMap((kind) => of(kind).questions) };
          const all = await differences(inProcess, first, batch);
          asked += batch.questions.length;
          // An engine that fails on one of them fails on all: then they are asked one by one.
          const each = all.length === 1 && !all[0]!.includes('"kind"');
          const differing = new Set(all.map((difference) => /"kind":"(e\d+)"/.exec(difference)?.[1]));
          for (const kind of some)
            if (each ? (await differences(inProcess, first, of(kind))).length > 0 : differing.has(kind))
              found.set(kind, { request: of(kind), policies: [policies.get(kind)] });
        }
      }
      await Promise.all([first.close(), inProcess.close()]);
      console.log(
        `seed ${String(seed + round)}: ${String(takenByCerbos)} expressions of Cerbos, ${String(policies.size)} taken, ${String(asked)} answers, ${String(unanswered)} left unanswered`,
      );
      await failWith(`calls, seed ${String(seed + round)}`, [...found.values()]);
    }
  });
});
