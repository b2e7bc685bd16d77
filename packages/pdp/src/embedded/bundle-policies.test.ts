import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type CheckRequest } from '@portcullis/core';
import { revisionOf } from '../policies/revision.js';
import { bundlePolicies } from './bundle-policies.js';
import { embedded } from './embedded.js';
import type { BundleOptions } from './options.js';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-bundle-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const write = (name: string, text: string): void => {
  writeFileSync(join(folder, name), text);
};
mkdirSync(join(folder, '_schemas'));
write('_schemas/note.json', '{"type":"object","required":["owner"]}');
write(
  'note.yaml',
  `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  schemas: { resourceSchema: { ref: "cerbos:///note.json" } }
  variables: { local: { mine: R.attr.owner == P.id } }
  rules:
    - { actions: ["read"], effect: EFFECT_ALLOW, roles: ["member"], condition: { match: { expr: V.mine } } }
`,
);
write(
  'off.yaml',
  'apiVersion: api.cerbos.dev/v1\ndisabled: true\nresourcePolicy: { resource: off, version: default }\n',
);

const request = (attr: Readonly<Record<string, string>>): CheckRequest => ({
  principal: { id: 'p', roles: ['member'], attr: {} },
  scope: '',
  questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('t'), attr }, actions: ['read'] }],
});

async function refusalOf(options: BundleOptions): Promise<string> {
  const error: unknown = await embedded(options).catch((thrown: unknown) => thrown);
  if (!(error instanceof PortcullisError) || error.code !== 'policies_invalid') throw new Error('was not refused');
  return error.message;
}

const note = { apiVersion: 'api.cerbos.dev/v1', resourcePolicy: { resource: 'note', version: 'default', rules: [] } };
/** A bundle as somebody may write it who is not us. */
function made(document: unknown, more: object = {}): string {
  const contents = { documents: [document], schemas: new Map<string, unknown>() };
  return JSON.stringify({
    format: 'portcullis-policies/1',
    revision: revisionOf(contents),
    policies: [{ file: 'note.yaml', document }],
    schemas: {},
    ...more,
  });
}

describe('a bundle', () => {
  it('decides as its folder does, and has its revision', async () => {
    const bundle = await bundlePolicies({ policies: folder });
    const one = await embedded({ policies: folder, pollMs: 0 });
    for (const given of [bundle.text, new TextEncoder().encode(bundle.text)]) {
      const other = await embedded({ bundle: given, revision: bundle.revision });
      expect(other.revision).toBe(one.revision);
      for (const attr of [{ owner: 'p' }, { owner: 'q' }, {}]) {
        const [left, right] = await Promise.all([one.check(request(attr)), other.check(request(attr))]);
        const { effect, policy, scope, policyRevision } = left[0]![0]!;
        expect(right[0]![0]).toMatchObject({ effect, policy, scope, policyRevision });
      }
      await other.close();
    }
    await one.close();
    expect(bundle.policies).toBe(1);
    expect(bundle.text).not.toContain('off');
  });

  it('is the same text for the same policies', async () => {
    expect((await bundlePolicies({ policies: folder })).text).toBe((await bundlePolicies({ policies: folder })).text);
  });

  it.each([
    ['a rule', 'EFFECT_ALLOW', 'EFFECT_DENY'],
    ['a condition', 'R.attr.owner == P.id', 'R.attr.owner != P.id'],
    ['a schema', '"required":["owner"]', '"required":[]'],
  ])('is refused if %s in it was changed', async (_what, from, to) => {
    const { text } = await bundlePolicies({ policies: folder });
    expect(text).toContain(from);
    expect(await refusalOf({ bundle: text.replace(from, to) })).toContain('damaged');
  });

  it.each([
    ['no JSON', '{', /no JSON/],
    ['something else', '{"format":"other"}', /malformed/],
    ['of another version', made(note, { format: 'portcullis-policies/2' }), /another version/],
    ['one with more in it', made(note, { overrides: [] }), /malformed/],
    [
      'one with more said of a policy',
      made(note, { policies: [{ file: 'note.yaml', document: note, scope: 'acme' }] }),
      /malformed/,
    ],
  ])('is refused if it is %s', async (_what, text, message) => {
    expect(await refusalOf({ bundle: text })).toMatch(message);
  });

  it.each([
    ['a policy that is disabled, at which the lint does not look', { ...note, disabled: true }, /is disabled/],
    [
      'a member `__proto__`',
      { ...note, metadata: { annotations: JSON.parse('{"__proto__":{}}') as unknown } },
      /__proto__/,
    ],
    ['a policy that is malformed', { ...note, resourcePolicy: { resource: 'note' } }, /^note\.yaml:1: .*version/],
  ])('is refused with %s, though it holds what its revision says', async (_what, document, message) => {
    expect(await refusalOf({ bundle: made(note) }).catch(() => 'taken')).toBe('taken');
    expect(await refusalOf({ bundle: made(document) })).toMatch(message);
  });

  it('is refused with what is nested too deep for a revision', async () => {
    const bundle = made(note).replace('"rules":[]', `"rules":[${'['.repeat(99)}${']'.repeat(99)}]`);
    expect(await refusalOf({ bundle })).toMatch(/too deep/);
  });

  it('is refused if its bytes are damaged', async () => {
    const bytes = new TextEncoder().encode((await bundlePolicies({ policies: folder })).text);
    bytes[100] = 0xff;
    expect(await refusalOf({ bundle: bytes })).toMatch(/no JSON/);
  });

  it('is refused if it is not of the revision that is asked for', async () => {
    const { text } = await bundlePolicies({ policies: folder });
    expect(await refusalOf({ bundle: text, revision: 'f'.repeat(64) })).toContain('f'.repeat(64));
  });

  it('is linted and compiled when it is made, and again when it is loaded', async () => {
    const wide = mkdtempSync(join(tmpdir(), 'portcullis-bundle-'));
    const policy = (scope: string): string =>
      `apiVersion: api.cerbos.dev/v1\nresourcePolicy: { resource: x, version: default, scope: "${scope}", rules: [] }\n`;
    writeFileSync(join(wide, 'base.yaml'), policy(''));
    writeFileSync(join(wide, 'acme.yaml'), policy('acme'));
    await expect(bundlePolicies({ policies: wide })).rejects.toMatchObject({ code: 'policies_invalid' });
    const { text } = await bundlePolicies({ policies: wide, allowWideningScopes: true });
    expect(await refusalOf({ bundle: text })).toContain('widen');
    await (await embedded({ bundle: text, allowWideningScopes: true })).close();
    rmSync(wide, { recursive: true });
  });
});
