import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Admin } from '@portcullis/admin';
import { PortcullisError } from '@portcullis/core';
import { reason, startAdminWorld, type AdminWorld, type Who } from '../e2e/admin-world.js';
import { mutated, valid, type Schema } from './json-schema-arbitrary.js';

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** A request as it is drawn. */
interface Drawn {
  readonly who: Who;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** What only globex knows: nobody of acme ever reads it. */
const canary = 'canary-7f3a';

let world: AdminWorld;
let api: Admin;
let document: Document;
let ajv: Ajv2020;

beforeAll(async () => {
  // The gate's own limits are not what is tried here.
  world = await startAdminWorld({ options: { limiter: undefined, personalRequestsPerMinute: 1_000_000 } });
  api = world.apiWith({ lifecycle: world.lifecycle });
  document = api.openapi as Document;
  ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'doc', ...(document as object) });
  await plantCanaries();
});
afterAll(async () => {
  await api.close();
  await world.close();
});

async function plantCanaries(): Promise<void> {
  const globex = 'globex' as never;
  await world.store.updateTenant(globex, {
    name: `Globex ${canary}`,
    domains: [`${canary}.example`],
    settings: { features: { [canary]: true }, allowedTools: [canary] },
  });
  await world.store.addMember(globex, `customers#${canary}`, ['member']);
  await world.store.putRole({
    tenantId: globex,
    roleId: canary,
    name: canary,
    parentRoles: ['member'],
    permissions: [],
  });
  await world.sessions.note([{ tenant: globex, id: canary, user: `customers#${canary}`, openedAt: 0 }]);
  world.usage.record({
    tenant: globex,
    user: `customers#${canary}`,
    tool: canary,
    outcome: 'allowed',
    latencyMs: 1,
    at: Date.now(),
  });
  await world.usage.flush();
}

/** Puts right what operators' requests may have done to acme: a suspended tenant would answer nothing but that. */
async function mend(): Promise<void> {
  const acme = 'acme' as never;
  const { store } = world;
  if ((await store.getTenant(acme)) === undefined) await store.createTenant({ id: acme, name: 'Acme', plan: 'pro' });
  await store.updateTenant(acme, {
    status: { state: 'active' },
    plan: 'pro',
    settings: { identityProviders: [{ provider: 'customers' }], quotas: {} },
  });
  await store.putMember(acme, 'customers#olivia', ['owner']);
  await store.putMember(acme, 'customers#adam', ['admin']);
}

const resolve = (ref: string): Schema => document.components.schemas[ref.replace('#/components/schemas/', '')] ?? {};

/** Every operation of the document. */
const operations = (): readonly (readonly [string, string, Operation])[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [method.toUpperCase(), path, operation] as const),
  );

/** Names of what is there, among the drawn ones, so that requests get somewhere. */
const known: Readonly<Record<string, readonly string[]>> = {
  tenant: [...Array<string>(9).fill('acme'), 'globex', 'initech', 'nonesuch'],
  user: ['customers#mia', 'customers#olivia', `customers#${canary}`],
  role: ['auditor', canary],
  session: ['s1', canary],
  invitation: ['none'],
  domain: ['acme.example', `${canary}.example`],
};

function parameter(
  { name, in: where, schema, required }: Parameter,
  current: string,
): fc.Arbitrary<string | undefined> {
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const drawn = valid(schema, resolve).map(text);
  const wild = fc.oneof(mutated(schema, resolve).map(text), fc.string({ maxLength: 30 }));
  if (where === 'path') {
    const there = known[name];
    return there === undefined
      ? fc.oneof(drawn, wild)
      : fc.oneof(
          { weight: 12, arbitrary: fc.constantFrom(...there) },
          { weight: 1, arbitrary: drawn },
          { weight: 1, arbitrary: wild },
        );
  }
  if (where === 'header' && /^if-/i.test(name))
    return fc.constantFrom(...Array<string>(6).fill('*'), '"stale"', 'W/"1-x"', 'nonsense', current, undefined);
  return fc.oneof(
    { weight: required === true ? 0 : 8, arbitrary: fc.constant(undefined) },
    { weight: 4, arbitrary: drawn },
    { weight: 1, arbitrary: wild },
  );
}

/** What can be in a URL: a lone surrogate cannot. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');

/** Requests of an operation: mostly well-formed, sometimes nearly, as anybody. */
function requests(method: string, path: string, operation: Operation): fc.Arbitrary<Drawn> {
  const parameters = (operation.parameters ?? []).filter(({ name }) => !/^x-operator/i.test(name));
  const values = fc.tuple(...parameters.map((each) => parameter(each, '"1-x"')));
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const body: fc.Arbitrary<string | undefined> =
    method === 'GET'
      ? fc.constant(undefined)
      : content === undefined
        ? fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constant('{}') })
        : fc.oneof(
            { weight: 8, arbitrary: valid(content.schema, resolve).map((value) => JSON.stringify(value)) },
            { weight: 3, arbitrary: mutated(content.schema, resolve).map((value) => JSON.stringify(value)) },
            { weight: 1, arbitrary: fc.constantFrom('', '{', '{"a":1,"a":2}', 'null', '[]', '\ufeff{}') },
          );
  const who = fc.constantFrom<Who>(
    ...(['nobody', 'stranger', 'member', 'admin', 'admin', 'support', 'security'] as const),
    ...Array<Who>(6).fill('owner'),
    ...Array<Who>(4).fill('operator'),
  );
  const types = fc.oneof(
    { weight: 20, arbitrary: fc.constant(type) },
    { weight: 1, arbitrary: fc.constant('text/plain') },
  );
  const extra = fc.oneof(
    { weight: 15, arbitrary: fc.constant({}) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Readonly<Record<string, string>>>(
        { 'x-tenant-id': 'globex' },
        { 'x-operator-grant': 'made-up' },
        { origin: 'https://evil.example' },
        { accept: 'text/csv' },
      ),
    },
  );
  return fc.tuple(who, values, body, types, extra).map(([caller, drawn, text, mediaType, more]) => {
    let target = path;
    const query = new URLSearchParams();
    const headers: Record<string, string> = { ...more };
    drawn.forEach((value, at) => {
      const each = parameters[at];
      if (value === undefined || each === undefined) return;
      if (each.in === 'path') target = target.replace(`{${each.name}}`, encodeURIComponent(wellFormed(value)) || '%20');
      else if (each.in === 'query') query.append(each.name, wellFormed(value));
      // A header is bytes: what is none cannot be sent.
      else headers[each.name] = value.replace(/[^\x21-\x7e]/g, '');
    });
    if (text !== undefined && mediaType !== undefined) headers['content-type'] = mediaType;
    if (['support', 'security', 'operator'].includes(caller)) Object.assign(headers, reason);
    return {
      who: caller,
      method,
      path: `${target}${query.size === 0 ? '' : `?${query.toString()}`}`,
      headers,
      body: text,
    };
  });
}

const checks = new Map<string, ValidateFunction>();
function schemaOf(path: string, method: string, status: number, type: string): ValidateFunction {
  const escape = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1');
  const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema']
    .map(escape)
    .join('/');
  const known = checks.get(pointer) ?? ajv.compile({ $ref: `doc#/${encodeURI(pointer)}` });
  checks.set(pointer, known);
  return known;
}

describe('the OpenAPI document', () => {
  it('is valid', async () => {
    const result = await new Validator().validate(structuredClone(document) as never);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document).toMatchObject({ openapi: '3.1.0' });
  });

  it('has every route, an id for each, and says what each answers', () => {
    expect(operations().length).toBe(api.routes.length);
    expect(new Set(operations().map(([, , { operationId }]) => operationId)).size).toBe(operations().length);
    for (const [method, path, { responses }] of operations()) {
      const statuses = Object.keys(responses);
      expect(
        statuses.some((status) => status.startsWith('2')),
        `${method} ${path}`,
      ).toBe(true);
      if (path !== '/openapi.json')
        expect(statuses, `${method} ${path}`).toEqual(expect.arrayContaining(['400', '401', '403', '503']));
    }
  });
});

describe('every answer', () => {
  it('is one that the document describes, whatever is asked, and holds nothing of another tenant', async () => {
    const anyRequest = fc
      .constantFrom(...operations())
      .chain(([method, path, operation]) =>
        requests(method, path, operation).map((drawn) => ({ drawn, path, operation })),
      );
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(anyRequest, async ({ drawn, path, operation }) => {
        const { who, method, headers, body } = drawn;
        await mend();
        const response = await world.ask(who, `${method} ${drawn.path}`, { headers, body }, api);
        const { status } = response;
        const text = await response.text();
        const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
        seen.set(
          `${operation.operationId} ${String(status)}`,
          (seen.get(`${operation.operationId} ${String(status)}`) ?? 0) + 1,
        );
        // Where a drawn name is empty or a dot, the path is another one: it is not there, or has no such method.
        const isElsewhere = (status === 404 || status === 405) && type === 'application/problem+json';
        const described = operation.responses[String(status)];
        expect(described !== undefined || isElsewhere, `${String(status)} ${text}`).toBe(true);
        expect(status, text).toBeLessThan(500);
        if (described?.content !== undefined && text !== '') {
          expect(Object.keys(described.content)).toContain(type);
          if (type !== 'text/csv') {
            const check = schemaOf(path, method, status, type);
            expect(check(JSON.parse(text)) ? [] : check.errors).toEqual([]);
          }
        } else if (status !== 404 && status !== 405) expect(text).toBe('');
        const isOperator = ['support', 'security', 'operator'].includes(who);
        const hasAsked = decodeURIComponent(drawn.path).includes(canary) || (body ?? '').includes(canary);
        if (!isOperator && !hasAsked) expect(text).not.toContain(canary);
        if (!isOperator && status < 300) expect(drawn.path).not.toMatch(/^\/tenants\/globex/);
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 250), endOnFailure: true },
    );
    // A job that meets a change of the tenant's record says so; anything that nobody foresaw is a fault.
    const unforeseen = world.errors.filter((error) => !(error instanceof PortcullisError));
    expect(unforeseen.map(({ message, stack }) => stack ?? message)).toEqual([]);
    if (process.env['FUZZ_SHOW'] !== undefined)
      console.log(
        [...seen]
          .map((each) => each.join(' '))
          .sort()
          .join('\n'),
      );
    const succeeded = [...seen.keys()].filter((key) => / 2\d\d$/.test(key));
    expect(succeeded.length).toBeGreaterThan(15);
  });
});
