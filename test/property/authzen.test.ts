import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PortcullisError,
  tenantId,
  type AttributeValue,
  type CheckRequest,
  type Decision,
  type PolicyDecisionPoint,
  type PolicyOutput,
} from '@portcullis/core';
import { obligationsOf } from '@portcullis/pdp';
import { authzen, serveAuthzen } from '@portcullis/pdp/authzen';

/** The same text for the same value, and another for any other. */
function canonical(value: AttributeValue | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item: AttributeValue) => canonical(item)).join()}]`;
  if (value === undefined) return 'undefined';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}

/**
 * An engine whose every decision depends on every word of the question: whatever a translation loses, adds or mixes
 * up comes out as another decision.
 */
const engine: PolicyDecisionPoint = {
  engine: 'hash',
  check({ principal, scope, policyVersion = 'default', questions }) {
    return Promise.resolve(
      questions.map(({ resource, actions }) =>
        actions.map((action): Decision => {
          const attr = { ...resource.attr, tenant: resource.tenant };
          const question = [
            [principal.id, [...principal.roles], { ...principal.attr }, scope, policyVersion],
            [resource.kind, resource.id, attr, action],
          ];
          const hash = createHash('sha256').update(canonical(question)).digest();
          const word = hash.toString('hex');
          const outputs: PolicyOutput[] = [];
          if (hash.readUInt8(1) % 2 === 0) outputs.push({ source: word.slice(0, 8), action, value: { hash: word } });
          if (hash.readUInt8(2) % 3 === 0)
            outputs.push({ source: 'rule', action, value: { obligation: 'tell', id: word.slice(8, 10), word } });
          if (hash.readUInt8(3) % 7 === 0) outputs.push({ source: 'rule', action, value: { obligation: 7 } });
          const named = { id: 'n', type: 'log', properties: { level: hash.readUInt8(4) } };
          return {
            effect: hash.readUInt8(0) % 2 === 0 ? 'allow' : 'deny',
            action,
            resource: { kind: resource.kind, id: resource.id },
            policy: `p.${word.slice(0, 6)}`,
            policyVersion,
            scope: `${scope}.${word.slice(0, 4)}`,
            outputs,
            obligations: [...(hash.readUInt8(5) % 4 === 0 ? [named] : []), ...obligationsOf(outputs)],
            callId: word,
            durationMs: 0,
            engine: 'hash',
          };
        }),
      ),
    );
  },
  plan: () => Promise.reject(new PortcullisError('pdp_unavailable')),
  close: () => Promise.resolve(),
};

const url = 'https://pdp.example.com/authz';
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
const name = fc
  .oneof(text, fc.constantFrom('__proto__', 'constructor', 'tenant', 'context', 'action', 'roles', 'cerbos'))
  .filter((word) => !word.startsWith('cerbos.'));
const attr = fc.dictionary(
  name,
  fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 2 }).map((value) => value as AttributeValue),
  { maxKeys: 4 },
);
const kind = fc.oneof(fc.constantFrom('tool', 'document'), text);
/** Few ids, so that one stands for several resources. */
const id = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('*', '1') }, { weight: 1, arbitrary: text });
const tenant = fc.constantFrom(tenantId('acme'), tenantId('globex'), tenantId('A-1_b'));
const question = fc.record({
  resource: fc.record({ kind, id, tenant, attr: fc.option(attr, { nil: undefined }) }),
  actions: fc.array(fc.oneof(fc.constantFrom('read', 'tools/call'), text), { maxLength: 4 }),
});
const request: fc.Arbitrary<CheckRequest> = fc.record({
  principal: fc.record({
    id: text,
    roles: fc.array(
      text.filter((role) => role !== 'none'),
      { maxLength: 3 },
    ),
    attr,
  }),
  scope: fc.oneof(fc.constantFrom('', 'acme', 'acme.eu'), text),
  policyVersion: fc.constantFrom(undefined, 'default', '20260101'),
  questions: fc.array(question, { maxLength: 6 }),
  requestId: fc.constantFrom(undefined, 'r-1', 'two\nlines'),
});

/** What a decision says, but for whose it is and when. */
function said({ callId: _callId, durationMs: _durationMs, engine: _engine, ...rest }: Decision): unknown {
  return rest;
}

describe('authzen(serveAuthzen(engine))', () => {
  it('decides as the engine does, with its obligations, policies and outputs', async () => {
    const handler = serveAuthzen(engine, { url, authenticate: 'none', explain: true });
    await fc.assert(
      fc.asyncProperty(request, fc.integer({ min: 1, max: 30 }), async (asked, maxEvaluations) => {
        const pdp = authzen({ url, fetch: handler, maxEvaluations, requireMeta: true });
        const [here, there] = await Promise.all([engine.check(asked), pdp.check(asked)]);
        expect(there.map((row) => row.map(said))).toEqual(here.map((row) => row.map(said)));
      }),
      { numRuns: 500 },
    );
  });

  it('decides as the engine does, with its obligations, where nobody is told which policy decided', async () => {
    const handler = serveAuthzen(engine, { url, authenticate: 'none' });
    /** A PDP that takes no batches: its metadata name one endpoint. */
    const single = async (sent: Request): Promise<Response> => {
      const response = await handler(sent);
      if (!sent.url.includes('.well-known')) return response;
      const { access_evaluations_endpoint: _none, ...metadata } = (await response.json()) as Record<string, string>;
      return Response.json(metadata);
    };
    await fc.assert(
      fc.asyncProperty(request, fc.constantFrom(handler, single), async (asked, fetch) => {
        const pdp = authzen({ discovery: url, fetch });
        const [here, there] = await Promise.all([engine.check(asked), pdp.check(asked)]);
        const essence = ({ effect, action, resource, obligations }: Decision): unknown => {
          return { effect, action, resource, obligations: obligations.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
        };
        expect(there.map((row) => row.map(essence))).toEqual(here.map((row) => row.map(essence)));
        expect(there.flat().every(({ policy, outputs }) => policy === '' && outputs.length === 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('answers as many evaluations as the semantic says', async () => {
    const handler = serveAuthzen(engine, { url, authenticate: 'none' });
    const semantics = fc.constantFrom('execute_all', 'deny_on_first_deny', 'permit_on_first_permit');
    const ids = fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });
    const ask = async (semantic: string, of: readonly string[]): Promise<readonly boolean[]> => {
      const body = {
        subject: { type: 'identity', id: 'alice', properties: { 'cerbos.roles': ['member'] } },
        action: { name: 'read' },
        options: { evaluations_semantic: semantic },
        evaluations: of.map((one) => ({ resource: { type: 'document', id: one, properties: { tenant: 'acme' } } })),
      };
      const headers = { 'content-type': 'application/json' };
      const sent = new Request(`${url}/access/v1/evaluations`, { method: 'POST', headers, body: JSON.stringify(body) });
      const answer = (await (await handler(sent)).json()) as { evaluations: readonly { decision: boolean }[] };
      return answer.evaluations.map(({ decision }) => decision);
    };
    await fc.assert(
      fc.asyncProperty(semantics, ids, async (semantic, of) => {
        const all = await ask('execute_all', of);
        expect(all).toHaveLength(of.length);
        const end = semantic === 'execute_all' ? -1 : all.indexOf(semantic === 'permit_on_first_permit');
        expect(await ask(semantic, of)).toEqual(end < 0 ? all : all.slice(0, end + 1));
      }),
      { numRuns: 200 },
    );
  });
});
