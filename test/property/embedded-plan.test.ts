import fc from 'fast-check';
import { describe, it } from 'vitest';
import {
  PortcullisError,
  tenantId,
  type Attributes,
  type CheckRequest,
  type Plan,
  type PlanRequest,
  type PolicyDecisionPoint,
  type Principal,
} from '@portcullis/core';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { failWith, folderOf, planOf as planBy, saidOf, shrinkingMs, type Case } from './embedded-case.js';
import { attributes, expression } from './embedded-expressions.js';
import { anyRequest, imported, policySet, schemaFiles } from './embedded-policy-sets.js';
import { failed, split } from './plan-meaning.js';
import { rounds, seed } from './embedded-runs.js';

const tenant = tenantId('t');

/** What plans were refused for, and how often. */
const refusals = new Map<string, number>();

function countRefusal(reason: string): void {
  refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
}

function said(plan: Plan | 'refused', attr: Attributes, id: string): ReturnType<typeof saidOf> {
  return saidOf(plan, attr, id, tenant, ({ message }) => {
    countRefusal(message);
  });
}

async function planOf(pdp: PolicyDecisionPoint, request: PlanRequest): Promise<Plan | 'refused'> {
  return planBy(pdp, request, (error) => {
    if (pdp.engine === 'embedded') countRefusal(reasonOf(error));
  });
}

function reasonOf({ detail = '', cause }: PortcullisError): string {
  if (cause instanceof Error && cause.name !== 'Unplannable') return String(cause.stack?.slice(0, 300));
  return detail.slice(detail.lastIndexOf(': ') + 2).replace(/`[^`]*`/g, '`…`');
}

/** How the answers of a run compare. */
class Tally {
  answers = 0;
  /** By what the plan says and what Cerbos's says. */
  readonly counts = new Map<string, number>();
  readonly wrong: Case[] = [];

  add(about: Case, mine: boolean | typeof failed | undefined, theirs: typeof mine, allowed: readonly boolean[]): void {
    this.answers++;
    const key = `${name(mine)} where Cerbos's plan is ${name(theirs)} and a check ${allowed[0] === true ? 'allows' : 'denies'}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    if (typeof mine === 'boolean' && allowed.some((one) => one !== mine)) this.wrong.push(about);
  }
}

function name(said: boolean | typeof failed | undefined): string {
  return said === failed ? 'an error' : said === undefined ? 'unknown' : String(said);
}

/** A place for the actions of a rule each. */
const actions = ['condition', 'none', 'deny', 'variable', 'null', 'all', 'derived'] as const;

/** A policy with an expression in each place where a condition may be. */
function policyOf(kind: string, text: string): unknown {
  const rule = (action: string, expr: string, effect = 'EFFECT_ALLOW') => ({
    actions: [action],
    effect,
    roles: ['*'],
    condition: { match: { expr } },
  });
  const none = { none: { of: [{ expr: text }, { expr: 'R.attr.b == true' }] } };
  return {
    apiVersion: 'api.cerbos.dev/v1',
    resourcePolicy: {
      resource: kind,
      version: 'default',
      importDerivedRoles: [`d_${kind}`],
      variables: { local: { value: text, twice: 'V.value == V.value' } },
      rules: [
        rule('condition', text),
        { ...rule('none', text), condition: { match: none } },
        { actions: ['deny'], effect: 'EFFECT_ALLOW', roles: ['*'] },
        rule('deny', text, 'EFFECT_DENY'),
        rule('variable', 'V.value == true || V.twice && P.id == "q"'),
        rule('null', 'V.value == null'),
        { ...rule('all', text), condition: { match: { all: { of: [{ expr: text }, none] } } } },
        { actions: ['derived'], effect: 'EFFECT_ALLOW', derivedRoles: [`r_${kind}`] },
      ],
    },
  };
}

function derivedRolesOf(kind: string, text: string): unknown {
  return {
    apiVersion: 'api.cerbos.dev/v1',
    derivedRoles: {
      name: `d_${kind}`,
      definitions: [{ name: `r_${kind}`, parentRoles: ['r'], condition: { match: { expr: text } } }],
    },
  };
}

/** Expressions of which some read the principal where others read the row. */
const planned = fc.tuple(expression, fc.integer({ min: 0, max: 2 ** 20 })).map(([text, mask]) => {
  let position = 0;
  return text.replace(/\bR\.attr\./g, (match) => (((mask >> (position++ % 20)) & 3) === 0 ? 'P.attr.' : match));
});

/** The kinds whose policies both engines take. */
async function engines(
  policies: Map<string, unknown>,
): Promise<{ readonly cerbos: Sidecar; readonly inProcess: PolicyDecisionPoint }> {
  for (;;) {
    const folder = folderOf(policies);
    try {
      const inProcess = await embedded({ policies: folder, pollMs: 0, allowWideningScopes: true });
      return {
        inProcess,
        cerbos: await cerbosSidecar({ policies: folder, pollMs: 0, allowWideningScopes: true, deadlineMs: 20_000 }),
      };
    } catch (error) {
      if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw error;
      const named = [...new Set([...error.message.matchAll(/\bd?(e\d+)\.json/g)].map((match) => match[1] ?? ''))];
      if (named.length === 0) throw error;
      for (const one of named) for (const file of [one, `d${one}`]) policies.delete(file);
    }
  }
}

/** What this engine refuses, it names one by one: cheaper found out in a folder for each. */
async function dropWhatIsRefused(policies: Map<string, unknown>): Promise<void> {
  for (const kind of [...policies.keys()].filter((name) => name.startsWith('e'))) {
    const names = [kind, `d${kind}`];
    try {
      const folder = folderOf(new Map(names.map((name) => [name, policies.get(name)])));
      await (await embedded({ policies: folder, pollMs: 0 })).close();
    } catch (error) {
      if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw error;
      for (const name of names) policies.delete(name);
    }
  }
}

async function allows(pdp: PolicyDecisionPoint, request: CheckRequest): Promise<readonly (readonly boolean[])[]> {
  return (await pdp.check(request)).map((decisions) => decisions.map(({ effect }) => effect === 'allow'));
}

describe('a plan of an expression', () => {
  it('is true for the rows that a check allows', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    for (let round = 0; round < rounds; round++) {
      const texts = fc.sample(planned, { numRuns: 160, seed: seed + round });
      const policies = new Map<string, unknown>(
        texts.flatMap((text, index) => [
          [`e${String(index)}`, policyOf(`e${String(index)}`, text)] as const,
          [`de${String(index)}`, derivedRolesOf(`e${String(index)}`, text)] as const,
        ]),
      );
      await dropWhatIsRefused(policies);
      const { cerbos, inProcess } = await engines(policies);
      const kinds = [...policies.keys()].filter((kind) => kind.startsWith('e'));
      const tally = new Tally();
      const sample = fc.record({
        principalAttr: attributes,
        shared: fc.subarray(['n', 's', 'l', 'm', 'b'], { maxLength: 2 }),
        base: attributes,
        rows: fc.array(attributes, { minLength: 6, maxLength: 6 }),
      });
      for (const { principalAttr, shared, base, rows } of fc.sample(sample, { numRuns: 2, seed: seed + round })) {
        const principal: Principal = { id: 'p', roles: ['r', 'a'], attr: principalAttr };
        const common = split(base, shared).shared;
        const attrs = rows.map((row) => ({ ...split(row, shared).own, ...common }));
        const questions = kinds.flatMap((kind) =>
          attrs.map((attr) => ({ resource: { kind, id: 'a', tenant, attr }, actions })),
        );
        const [mine, theirs] = await Promise.all([
          allows(inProcess, { principal, scope: '', questions }),
          allows(cerbos, { principal, scope: '', questions }),
        ]);
        for (const [at, kind] of kinds.entries()) {
          for (const [position, action] of actions.entries()) {
            const request: PlanRequest = { principal, scope: '', kind, action, tenant, attr: common };
            const [own, cerbosPlan] = await Promise.all([planOf(inProcess, request), planOf(cerbos, request)]);
            for (const [row, attr] of attrs.entries()) {
              const index = at * attrs.length + row;
              tally.add(
                { plan: request, row: { id: 'a', attr }, policies: [policies.get(kind), policies.get(`d${kind}`)] },
                said(own, attr, 'a'),
                said(cerbosPlan, attr, 'a'),
                [mine[index]?.[position] ?? false, theirs[index]?.[position] ?? false],
              );
            }
          }
        }
      }
      await Promise.all([cerbos.close(), inProcess.close()]);
      console.log([...refusals].map(([reason, count]) => `${String(count)}\tno plan: ${reason}`).join('\n'));
      console.log(
        `seed ${String(seed + round)}: ${String(kinds.length)} expressions, ${String(tally.answers)} answers`,
      );
      console.log(
        [...tally.counts]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, count]) => `${String(count)}\t${key}`)
          .join('\n'),
      );
      await failWith(`plans of expressions, seed ${String(seed + round)}`, tally.wrong);
    }
  });
});

describe('a plan of a policy set', () => {
  it('is true for the rows that a check allows', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    const tally = new Tally();
    const sets = 4 * rounds;
    for (let set = 0; set < sets; set++) {
      const [made] = fc.sample(policySet, { numRuns: 1, seed: seed + set });
      const policies = new Map([...made!, ...imported]);
      const about = { policies: [...policies.values()], schemas: Object.fromEntries(schemaFiles) };
      const folder = folderOf(policies, schemaFiles);
      const inProcess = await embedded({ policies: folder, pollMs: 0, allowWideningScopes: true });
      for (const { questions, ...request } of fc.sample(anyRequest, { numRuns: 40, seed: seed + set })) {
        for (const kind of new Set(questions.map((question) => question.kind))) {
          for (const action of ['read', 'write', 'x:read', 'other']) {
            const asked: PlanRequest = { ...request, kind, action, tenant };
            const plan = await planOf(inProcess, asked);
            const checked = await allows(inProcess, {
              ...request,
              questions: questions.map(({ attr }) => ({
                resource: { kind, id: '1', tenant, attr },
                actions: [action],
              })),
            });
            for (const [index, { attr }] of questions.entries())
              tally.add({ plan: asked, row: { id: '1', attr }, ...about }, said(plan, attr, '1'), undefined, [
                checked[index]?.[0] ?? false,
              ]);
          }
        }
      }
      await inProcess.close();
      await failWith(`plans of policies, seed ${String(seed + set)}`, tally.wrong.slice(0, 1));
    }
    console.log(
      `${String(tally.answers)} answers\n${[...tally.counts].map(([key, count]) => `${String(count)}\t${key}`).join('\n')}`,
    );
  });
});

const member: fc.Arbitrary<object> = fc.oneof(
  fc.constantFrom<object[]>(
    ...[{ type: 'string' }, { type: 'string', minLength: 1, maxLength: 2 }, { type: 'number', minimum: 0 }],
    ...[
      { type: 'integer', maximum: 1 },
      { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 2 },
      { type: 'boolean' },
    ],
    ...[
      { type: ['string', 'null'] },
      { type: 'null' },
      { enum: ['a', 1, null, ['a']] },
      { const: 'a' },
      {},
      { type: 'array' },
    ],
    ...[
      { type: 'array', items: { type: 'string' } },
      { type: 'array', minItems: 1, items: { enum: ['a', 'b', 1] } },
    ],
    ...[
      { type: 'object', required: ['x'] },
      { type: 'object', required: ['x'], properties: { x: { type: 'string' }, y: {} } },
    ],
    ...[{ type: ['array', 'string', 'boolean', 'number'] }, { anyOf: [{ type: 'number' }, { const: 'x' }] }],
    ...[{ type: 'object', required: ['x'], properties: { x: {} }, additionalProperties: false }, { type: 'object' }],
    ...[
      { allOf: [{ type: 'string' }, { enum: ['a', 'b'] }] },
      { not: { const: 'a' } },
      { minLength: 1 },
      { type: 'array', maxItems: 1 },
    ],
  ),
);
const names = ['n', 'i', 's', 'b', 'l', 'm', 'z', '__proto__', 'constructor'] as const;
const schemaDocument = fc.record(
  {
    type: fc.constant('object'),
    properties: fc.dictionary(fc.constantFrom(...names), member, { maxKeys: 3, noNullPrototype: false }),
    required: fc.uniqueArray(fc.constantFrom('n', 'i', 's', 'tenant'), { maxLength: 2 }),
    additionalProperties: fc.constantFrom(true, true, true, false),
  },
  { requiredKeys: ['type', 'properties'] },
);

describe('a plan under a schema', () => {
  it('is true for no row that breaks the schema', { timeout: 120_000 * rounds + shrinkingMs }, async () => {
    const tally = new Tally();
    for (let round = 0; round < 40 * rounds; round++) {
      const [document] = fc.sample(schemaDocument, { numRuns: 1, seed: seed + round });
      const policy = {
        apiVersion: 'api.cerbos.dev/v1',
        resourcePolicy: {
          resource: 'k',
          version: 'default',
          schemas: { resourceSchema: { ref: 'cerbos:///one.json', ignoreWhen: { actions: ['ignored'] } } },
          rules: [{ actions: ['read', 'ignored'], effect: 'EFFECT_ALLOW', roles: ['*'] }],
        },
      };
      const schemas = { one: document };
      const folder = folderOf([['k', policy]], Object.entries(schemas));
      const inProcess = await embedded({ policies: folder, pollMs: 0 });
      const rows = fc.sample(attributes, { numRuns: 40, seed: seed + round });
      const [base] = rows;
      for (const shared of [[], ['n'], ['s', 'l'], ['m', 'b']]) {
        const common = split(base ?? {}, shared).shared;
        for (const action of ['read', 'ignored']) {
          const about = { principal: { id: 'p', roles: ['r'], attr: {} }, scope: '' };
          const asked: PlanRequest = { ...about, kind: 'k', action, tenant, attr: common };
          const plan = await planOf(inProcess, asked);
          const attrs = rows.map((row) => ({ ...split(row, shared).own, ...common }));
          const checked = await allows(inProcess, {
            ...about,
            questions: attrs.map((attr) => ({ resource: { kind: 'k', id: '1', tenant, attr }, actions: [action] })),
          });
          for (const [index, attr] of attrs.entries())
            tally.add(
              { plan: asked, row: { id: '1', attr }, policies: [policy], schemas },
              said(plan, attr, '1'),
              undefined,
              [checked[index]?.[0] ?? false],
            );
        }
      }
      await inProcess.close();
    }
    console.log(
      `${String(tally.answers)} answers\n${[...tally.counts].map(([key, count]) => `${String(count)}\t${key}`).join('\n')}`,
    );
    await failWith(`plans under schemas, seed ${String(seed)}`, tally.wrong);
  });
});
