import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type Attributes, type PolicyDecisionPoint } from '@portcullis/core';
import { embedded } from '@portcullis/pdp/embedded';
import { call, callAttributes } from './embedded-calls.js';
import { planToCel } from './plan-to-cel.js';
import { newFolder, rounds, seed } from './embedded-runs.js';

const tenant = tenantId('t');
const places = ['condition', 'none', 'deny'] as const;

/** An engine on a policy with an expression in each place; nothing where it refuses the expression. */
async function engineOn(text: string): Promise<PolicyDecisionPoint | undefined> {
  const folder = newFolder();
  const rule = (action: string, match?: object, effect = 'EFFECT_ALLOW') => ({
    ...{ actions: [action], effect, roles: ['*'] },
    ...(match === undefined ? {} : { condition: { match } }),
  });
  const rules = [
    rule('condition', { expr: text }),
    rule('none', { none: { of: [{ expr: text }] } }),
    rule('deny'),
    rule('deny', { expr: text }, 'EFFECT_DENY'),
  ];
  const resourcePolicy = { resource: 'k', version: 'default', rules };
  writeFileSync(join(folder, 'k.json'), JSON.stringify({ apiVersion: 'api.cerbos.dev/v1', resourcePolicy }));
  try {
    return await embedded({ policies: folder, pollMs: 0 });
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'policies_invalid') return undefined;
    throw error;
  }
}

const about = { principal: { id: 'p', roles: ['r', 'a'], attr: {} }, scope: '' } as const;

/** Whether an action is allowed; nothing where the engine will not say. */
async function allows(pdp: PolicyDecisionPoint, action: string, attr: Attributes): Promise<boolean | undefined> {
  try {
    const resource = { kind: 'k', id: 'a', tenant, attr };
    const [[decision] = []] = await pdp.check({ ...about, questions: [{ resource, actions: [action] }] });
    return decision?.effect === 'allow';
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'pdp_unavailable') return undefined;
    throw error;
  }
}

describe('a plan with calls of all functions', () => {
  it('is, read as an expression, true for the rows that a check allows', { timeout: 120_000 * rounds }, async () => {
    const counts = { expressions: 0, refusedPlans: 0, unread: 0, rows: 0, allowed: 0, narrower: 0 };
    const wrong: string[] = [];
    const texts = fc.sample(call, { numRuns: 250 * rounds, seed });
    const samples = fc.sample(callAttributes, { numRuns: 8 * texts.length, seed });
    for (const [position, text] of texts.entries()) {
      const pdp = await engineOn(text);
      if (pdp === undefined) continue;
      counts.expressions++;
      const rows = samples.slice(position * 8, position * 8 + 8);
      const shared = position % 2 === 0 ? {} : Object.fromEntries(Object.entries(rows[0] ?? {}).slice(0, 3));
      for (const place of places) {
        const plan = await pdp
          .plan({ ...about, kind: 'k', action: place, tenant, attr: shared })
          .catch(() => undefined);
        if (plan === undefined) {
          counts.refusedPlans++;
          continue;
        }
        const read =
          plan.outcome === 'conditional' ? planToCel(plan.condition) : String(plan.outcome === 'always_allowed');
        const planned = await engineOn(read);
        if (planned === undefined) {
          counts.unread++;
          continue;
        }
        for (const row of rows) {
          const attr = { ...row, ...shared };
          const [checked, listed] = [await allows(pdp, place, attr), await allows(planned, 'condition', attr)];
          if (checked === undefined || listed === undefined) continue;
          counts.rows++;
          if (listed) counts.allowed++;
          if (checked && !listed && place === 'condition') counts.narrower++;
          if (listed && !checked)
            wrong.push(
              `${place}: ${text}\n  plan ${read}\n  row ${JSON.stringify(attr)}\n  shared ${JSON.stringify(shared)}`,
            );
        }
        await planned.close();
      }
      await pdp.close();
    }
    console.log(`seed ${String(seed)}: ${JSON.stringify(counts)}`);
    expect(wrong.slice(0, 5), `seed ${String(seed)}`).toEqual([]);
  });
});
