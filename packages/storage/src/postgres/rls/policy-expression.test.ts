import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparesWithCall, readPolicy } from './policy-expression.js';

const setting = "NULLIF(current_setting('app.tenant_id'::text, true), ''::text)";
const own = `(tenant_id = ( SELECT ${setting} AS "nullif"))`;

/** As `pg_get_expr` writes a text. */
const literal = (text: string): string => {
  const doubled = text.replaceAll("'", "''");
  return text.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
};

describe('what a policy’s text proves', () => {
  it.each([
    [own, []],
    [`(tenant_id = (${setting})::uuid)`, []],
    [`((tenant_id)::text = ${setting})`, []],
    [`((tenant_id IS NOT NULL) AND ${own} AND (tenant_id <> 'blocked'::text))`, ['blocked']],
    [`(${own} OR (tenant_id = ANY (ARRAY['a'::text, 'b''c'::text])))`, ['a', "b'c"]],
    [`(NOT (tenant_id IS DISTINCT FROM ${setting}))`, []],
    [`\nCASE\n    WHEN ${own} THEN true\n    ELSE COALESCE((tenant_id = '7'::text), false)\nEND`, ['7']],
    [`(notes.tenant_id = ${setting})`, []],
    [`(tenant_id = 7)`, ['7']],
    [`((tenant_id COLLATE "C") = ${setting})`, []],
  ])('everything, where it compares by equality alone: %s', (text, constants) => {
    expect(readPolicy(text, 'tenant_id')).toEqual({ constants });
  });

  it.each([
    [`(${own} OR (inet_client_addr() = '10.0.0.1'::inet))`, 'calls `inet_client_addr`'],
    [`(${own} OR pg_has_role('admin'::name, 'MEMBER'::text))`, 'calls `pg_has_role`'],
    [`(${own} OR (now() > '2100-01-01'::date))`, 'calls `now`'],
    [`(${own} OR (CURRENT_DATE > '2100-01-01'::date))`, 'reads `CURRENT_DATE`'],
    [`(${own} OR (lower(tenant_id) = ${setting}))`, 'calls `lower`'],
    [`("left"(tenant_id, 3) = ${setting})`, 'calls `left`'],
    [`(tenant_id = public.current_setting('app.tenant_id'::text))`, 'calls `current_setting`'],
    [`(tenant_id = "current_setting"('app.tenant_id'::text))`, 'calls `current_setting`'],
    [`(${own} OR ((notes.*)::text ~~ '%public%'::text))`, 'reads the whole row'],
    [`(${own} OR (notes.* IS NULL))`, 'reads the whole row'],
    [`(${own} OR (tenant_id.owner = 'x'::text))`, 'reads `owner`'],
    [`(${own} OR ((tenant_id).owner = 'x'::text))`, 'reads a part of something'],
    [`(${own} OR body)`, 'reads `body`'],
    [`(${own} OR "or")`, 'reads `or`'],
    [`(${own} OR (tenant_id ~~ 'public%'::text))`, 'compares by `~~`'],
    [`(${own} OR (tenant_id > 'x'::text))`, 'compares by `>`'],
    [`(tenant_id OPERATOR(public.=) ${setting})`, 'calls `OPERATOR`'],
    [`(((tenant_id)::character varying(3))::text = ${setting})`, 'casts to another type'],
    [`((tenant_id)::character(3) = (${setting})::character(3))`, 'casts to another type'],
    [`((tenant_id)::name = ${setting})`, 'casts to another type'],
    [`((tenant_id)::public.text = ${setting})`, 'casts to another type'],
    [`(tenant_id = ANY ('{a,b}'::text[]))`, 'casts to another type'],
    [`(tenant_id = ( SELECT t.a FROM generate_series(1, 2) t(a)))`, 'reads `a`'],
    [`(EXISTS ( SELECT 1 FROM notes n))`, 'calls `EXISTS`'],
    [`( SELECT true FROM x)`, 'reads from something else'],
    [`(${own} OR $$x$$)`, 'cannot be read'],
    [`(${own} OR 'open)`, 'cannot be read'],
    [
      `(tenant_id = ANY (ARRAY[${Array.from({ length: 11 }, (_, n) => `'${String(n)}'`).join(', ')}]))`,
      'names more than ten constants',
    ],
  ])('nothing, where it uses more: %s', (text, unproven) => {
    expect(readPolicy(text, 'tenant_id')).toEqual({ unproven, constants: [] });
  });

  it('does not depend on what a constant says', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("'", '\\', '"', '(', ')', '.', '*', ':', 'now()', ' OR ', 'E', 'é', 'x') }),
        (text) => {
          const constants = text === '' ? [] : [text];
          expect(readPolicy(`(${own} AND (tenant_id <> ${literal(text)}::text))`, 'tenant_id')).toEqual({ constants });
          expect(readPolicy(`(${own} OR (tenant_id ~~ ${literal(text)}::text))`, 'tenant_id').unproven).toBeDefined();
        },
      ),
    );
  });

  it('knows the tenant column by its name alone, quoted or not', () => {
    expect(readPolicy(`("Tenant" = ${setting})`, 'Tenant')).toEqual({ constants: [] });
    expect(readPolicy(`(tenant = ${setting})`, 'Tenant').unproven).toBe('reads `tenant`');
    expect(readPolicy(`("and" = ${setting})`, 'and')).toEqual({ constants: [] });
  });
});

describe('a policy that asks a function for the tenant', () => {
  it.each([
    '(tenant_id = public.me())',
    '(tenant_id = me())',
    '(tenant_id = ( SELECT public.me() AS me))',
    '((tenant_id)::text = ( SELECT public."Who am I"() AS "Who am I"))',
  ])('is plain: %s', (text) => {
    expect(comparesWithCall(text, 'tenant_id')).toBe(true);
  });

  it.each([
    '((tenant_id = public.me()) OR public.open())',
    'public.visible(tenant_id)',
    "(tenant_id = public.me('x'::text))",
    '(tenant_id = ANY (public.mine()))',
    '(tenant_id = ( SELECT m.m FROM public.mine() m(m)))',
    '(tenantxid = public.me())',
    '(tenant_id <> public.me())',
  ])('is anything else: %s', (text) => {
    expect(comparesWithCall(text, 'tenant.id')).toBe(false);
    expect(comparesWithCall(text, 'tenant_id')).toBe(false);
  });
});
