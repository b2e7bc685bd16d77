import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tenantId, type Decision, type PortcullisError } from '@portcullis/core';
import { cerbosSidecar } from '../cerbos/sidecar.js';
import { embedded, type EmbeddedEngine } from './embedded.js';

let folder: string;
const engines: EmbeddedEngine[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-follow-'));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((pdp) => pdp.close()));
  rmSync(folder, { recursive: true });
});

const policy = (effect: string): string =>
  `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  rules:\n    - { actions: ["read"], effect: ${effect}, roles: ["member"] }\n`;
const write = (text: string): void => {
  writeFileSync(join(folder, 'note.yaml'), text);
};

async function decisionOf(pdp: EmbeddedEngine): Promise<Decision> {
  const [[decision] = []] = await pdp.check({
    principal: { id: 'p', roles: ['member'], attr: {} },
    scope: '',
    questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('t') }, actions: ['read'] }],
  });
  return decision!;
}

async function follow(options: { readonly pollMs?: number } = {}) {
  const errors: PortcullisError[] = [];
  const changes: string[] = [];
  const pdp = await embedded({
    policies: folder,
    onPolicyError: (error) => errors.push(error),
    onPolicyChange: ({ revision }) => changes.push(revision),
    ...options,
  });
  engines.push(pdp);
  return { pdp, errors, changes };
}

describe('an edit', () => {
  it.each([
    ['is signalled', 0],
    ['is found by polling', 20],
  ])('decides when it %s, and names itself in each decision', async (_how, pollMs) => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, errors, changes } = await follow({ pollMs });
    const before = await decisionOf(pdp);
    expect(before).toMatchObject({ effect: 'allow', policyRevision: pdp.revision });
    write(policy('EFFECT_DENY'));
    await vi.waitFor(() => {
      expect(changes).toHaveLength(1);
    }, 5000);
    const after = await decisionOf(pdp);
    expect(after).toMatchObject({ effect: 'deny', policyRevision: changes[0] });
    expect(after.policyRevision).toBe(pdp.revision);
    expect(after.policyRevision).not.toBe(before.policyRevision);
    expect(errors).toEqual([]);
  });

  it('that is broken is reported, and the last good policies keep deciding', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, errors, changes } = await follow({ pollMs: 20 });
    const { revision } = pdp;
    write('apiVersion: api.cerbos.dev/v1\nresourcePolicy: { resource: note }\n');
    await vi.waitFor(() => {
      expect(errors).not.toHaveLength(0);
    }, 5000);
    expect(errors[0]).toMatchObject({ code: 'policies_invalid' });
    expect(errors[0]?.message).toContain('note.yaml:2');
    expect(await decisionOf(pdp)).toMatchObject({ effect: 'allow', policyRevision: revision });
    write(policy('EFFECT_DENY'));
    await vi.waitFor(() => {
      expect(changes).toHaveLength(1);
    }, 5000);
    expect(await decisionOf(pdp)).toMatchObject({ effect: 'deny' });
  });

  it.each<[string, () => void]>([
    [
      'throw',
      () => {
        throw new Error('the observer failed');
      },
    ],
    ['reject', () => Promise.reject(new Error('the observer failed'))],
  ])('decides, and so does the next, though the observers %s', async (_how, fail) => {
    write(policy('EFFECT_ALLOW'));
    const pdp = await embedded({ policies: folder, pollMs: 20, onPolicyChange: fail, onPolicyError: fail });
    engines.push(pdp);
    for (const effect of ['deny', 'allow']) {
      write('broken');
      await new Promise((resolve) => setTimeout(resolve, 400));
      write(policy(`EFFECT_${effect.toUpperCase()}`));
      await vi.waitFor(async () => {
        expect(await decisionOf(pdp)).toMatchObject({ effect });
      }, 5000);
    }
  });

  it('that changes no policy is none', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, changes, errors } = await follow({ pollMs: 10 });
    write(`# a comment\n${policy('EFFECT_ALLOW')}`);
    await new Promise((resolve) => setTimeout(resolve, 600));
    write(policy('EFFECT_DENY'));
    await vi.waitFor(() => {
      expect(changes).toContain(pdp.revision);
    }, 5000);
    expect([changes, errors]).toEqual([[pdp.revision], []]);
  });

  it('that could widen a scope is not served', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, errors } = await follow({ pollMs: 20 });
    mkdirSync(join(folder, 'acme'));
    writeFileSync(
      join(folder, 'acme', 'note.yaml'),
      policy('EFFECT_ALLOW').replace('version: default', 'version: default\n  scope: acme'),
    );
    await vi.waitFor(() => {
      expect(errors).not.toHaveLength(0);
    }, 5000);
    expect(errors[0]?.message).toContain('can widen its parent');
    expect(await decisionOf(pdp)).toMatchObject({ effect: 'allow' });
  });

  it('of several files is one edit, while they are written', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, changes, errors } = await follow({ pollMs: 10 });
    for (let count = 0; count < 8; count++) {
      writeFileSync(
        join(folder, `other${String(count)}.yaml`),
        policy('EFFECT_ALLOW').replace('note', `n${String(count)}`),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await vi.waitFor(() => {
      expect(changes).not.toHaveLength(0);
    }, 5000);
    expect([changes, errors]).toEqual([[pdp.revision], []]);
  });

  it('that takes the folder away is told once, and the folder may come back', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, errors, changes } = await follow({ pollMs: 10 });
    rmSync(folder, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('cannot be read')]);
    expect(await decisionOf(pdp)).toMatchObject({ effect: 'allow' });
    mkdirSync(folder);
    write(policy('EFFECT_DENY'));
    await vi.waitFor(() => {
      expect(changes).toHaveLength(1);
    }, 5000);
  });

  it('changes nothing any more once the engine is closed', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp, errors, changes } = await follow({ pollMs: 10 });
    await pdp.close();
    write('broken');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([errors, changes]).toEqual([[], []]);
  });
});

describe('a link', () => {
  it('to a file is the file, as to Cerbos; hidden folders are not looked at', async () => {
    mkdirSync(join(folder, '..data'));
    writeFileSync(join(folder, '..data', 'note.yaml'), policy('EFFECT_DENY'));
    symlinkSync(join(folder, '..data', 'note.yaml'), join(folder, 'note.yaml'));
    const { pdp } = await follow();
    expect(await decisionOf(pdp)).toMatchObject({ effect: 'deny', policy: 'resource.note.vdefault' });
    const cerbos = await cerbosSidecar({ policies: folder, pollMs: 0 });
    expect(cerbos.revision).toBe(pdp.revision);
    await cerbos.close();
  });

  it.each([
    ['to a folder', 'is a link to a folder'],
    ['to nothing', 'cannot be read'],
  ])('%s is refused', async (what, message) => {
    write(policy('EFFECT_ALLOW'));
    symlinkSync(what === 'to a folder' ? tmpdir() : join(folder, 'nowhere'), join(folder, 'more'));
    await expect(follow()).rejects.toThrow(message);
    await expect(cerbosSidecar({ policies: folder, pollMs: 0 })).rejects.toThrow(message);
  });
});

describe('the revision', () => {
  it('is not changed by comments, order of members, and names of files; and is by anything else', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp } = await follow();
    const revisionOf = async (): Promise<string> => (await follow()).pdp.revision;
    write(`# ${policy('EFFECT_ALLOW').replace(/\n/g, '\n# ')}\n${policy('EFFECT_ALLOW')}`);
    expect(await revisionOf()).toBe(pdp.revision);
    rmSync(join(folder, 'note.yaml'));
    writeFileSync(
      join(folder, 'other.json'),
      '{"resourcePolicy":{"rules":[{"roles":["member"],"effect":"EFFECT_ALLOW","actions":["read"]}],"version":"default","resource":"note"},"apiVersion":"api.cerbos.dev/v1"}',
    );
    expect(await revisionOf()).toBe(pdp.revision);
    mkdirSync(join(folder, '_schemas'));
    writeFileSync(join(folder, '_schemas', 'note.json'), '{"type":"object"}');
    expect(await revisionOf()).not.toBe(pdp.revision);
  });

  it('is the one of the Cerbos PDP that serves the same folder', async () => {
    write(policy('EFFECT_ALLOW'));
    const { pdp } = await follow();
    const cerbos = await cerbosSidecar({ policies: folder, pollMs: 0 });
    expect(cerbos.revision).toBe(pdp.revision);
    await cerbos.close();
  });
});
