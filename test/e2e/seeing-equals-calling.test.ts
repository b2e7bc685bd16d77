import fc from 'fast-check';
import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluatePlan, tenantId, type PlanExpression } from '@portcullis/core';
import { callText, connect, policy, startHarness, type Harness } from './harness.js';

const names = Array.from({ length: 12 }, (_none, index) => `tool_${String(index)}`);

/** Conditions over a tool’s id and the caller, of every shape that policies have. */
const conditions = [
  'R.id in ["tool_0", "tool_3", "tool_7"]',
  'R.id == "tool_5" || R.id == "tool_6"',
  '!(R.id in ["tool_1"]) && P.attr.plan == "pro"',
  'R.id.startsWith("tool_1")',
  'R.id != "tool_2" && R.attr.tenant == P.attr.tenant',
  'has(P.attr.allowed_tools) && R.id in P.attr.allowed_tools',
  'R.attr.missing == true',
  'P.attr.client == R.id',
  'size(R.id) > 6',
];

/** A policy with random rules, allows and denies. */
const rules = fc.array(
  fc.record({
    effect: fc.constantFrom('EFFECT_ALLOW', 'EFFECT_ALLOW', 'EFFECT_DENY'),
    role: fc.constantFrom('member', 'admin', '*'),
    condition: fc.option(fc.constantFrom(...conditions)),
  }),
  { minLength: 1, maxLength: 5 },
);

describe('seeing equals calling', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await startHarness();
  });
  afterAll(() => harness.close());

  it('for whatever policy, every tool that is listed can be called, and no tool that is hidden', async () => {
    const { cerbosSidecar } = await import('@portcullis/pdp/cerbos');
    const { mkdtemp, rm, writeFile } = await import('node:fs/promises');
    await fc.assert(
      fc.asyncProperty(
        rules,
        fc.constantFrom('alice', 'adam'),
        fc.option(fc.subarray(names)),
        async (generated, user, allowedTools) => {
          const folder = await mkdtemp('/tmp/portcullis-see-');
          const text = generated
            .map(
              ({ effect, role, condition }) =>
                `    - { actions: ["tools/call"], effect: ${effect}, roles: ["${role}"]${condition === null ? '' : `, condition: { match: { expr: ${JSON.stringify(condition)} } }`} }`,
            )
            .join('\n');
          await writeFile(`${folder}/tool.yaml`, policy('tool', text));
          await writeFile(
            `${folder}/mcp.yaml`,
            policy('mcp_server', '    - { actions: ["*"], effect: EFFECT_ALLOW, roles: ["*"] }'),
          );
          const pdp = await cerbosSidecar({ policies: folder, pollMs: 0 });
          await harness.tenants.store.updateTenant(tenantId('acme'), {
            settings: { allowedTools: allowedTools ?? undefined },
          });
          const gate = harness.gateWith({ pdp });
          const endpoint = gate.serve(() => {
            const server = new McpServer({ name: 's', version: '1' });
            for (const name of names)
              server.registerTool(name, {}, () => ({ content: [{ type: 'text', text: 'ran' }] }));
            return server;
          });
          const client = await connect(endpoint, await harness.token(user));
          const listed = (await client.listTools()).tools.map(({ name }) => name);
          const callable: string[] = [];
          for (const name of names) if ((await callText(client, name)) === 'ran') callable.push(name);
          await client.close();
          await pdp.close();
          await rm(folder, { recursive: true });
          expect(listed).toEqual(callable);
        },
      ),
      { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 12) },
    );
    await harness.tenants.store.updateTenant(tenantId('acme'), { settings: { allowedTools: undefined } });
  }, 120_000);
});

describe('a plan’s condition', () => {
  const id: PlanExpression = { type: 'variable', name: 'request.resource.id' };
  const value = (given: string | number | boolean | string[]): PlanExpression => ({ type: 'value', value: given });
  const operation = (operator: string, ...operands: PlanExpression[]): PlanExpression => ({
    type: 'operation',
    operator,
    operands,
  });
  const of = (condition: PlanExpression): boolean | undefined =>
    evaluatePlan(condition, { id: 'a', attr: { level: 1 } });

  it.each<readonly [PlanExpression, boolean | undefined]>([
    [operation('eq', id, value('a')), true],
    [operation('ne', id, value('a')), false],
    [operation('in', id, value(['b'])), false],
    [operation('eq', id, value(1)), undefined],
    [operation('eq', { type: 'variable', name: 'request.resource.attr.level' }, value(1)), true],
    [operation('eq', { type: 'variable', name: 'request.resource.attr.nothing' }, value(1)), undefined],
    [operation('startsWith', id, value('a')), undefined],
    [operation('and', operation('eq', id, value('b')), operation('odd')), false],
    [operation('and', operation('eq', id, value('a')), operation('odd')), undefined],
    [operation('or', operation('eq', id, value('a')), operation('odd')), true],
    [operation('or', operation('eq', id, value('b')), operation('odd')), undefined],
    [operation('not', operation('odd')), undefined],
    [operation('not', operation('eq', id, value('b'))), true],
  ])('%j is %s', (condition, expected) => {
    expect(of(condition)).toBe(expected);
  });
});
