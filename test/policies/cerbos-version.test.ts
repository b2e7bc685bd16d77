import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tenantId, type Attributes, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbosBinary, cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';

/** The version whose semantics the engine of this process has. */
const pinned = '0.51.0';
const whatToDo = `the engine in this process is held against Cerbos ${pinned}: run \`PORTCULLIS_DIFFERENTIAL=200 npx vitest run --project system test/property/embedded\` with the new one, mend or refuse what differs, and move the pin here`;

const manifest = z.object({ version: z.string() });
const root = join(import.meta.dirname, '..', '..');

function versionOf(file: string): string {
  return manifest.parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}

describe('the Cerbos that the engine of this process is held against', () => {
  it('is the one that is pinned, installed and run', () => {
    const { devDependencies } = z
      .object({ devDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
    expect(devDependencies['cerbos'], whatToDo).toBe(pinned);
    expect(versionOf(createRequire(import.meta.url).resolve('cerbos/package.json')), whatToDo).toBe(pinned);
    const [said] = execFileSync(cerbosBinary(), ['--version'], { encoding: 'utf8' }).split('\n');
    expect(said, whatToDo).toBe(pinned);
  });

  it('does not count a denial whose condition errs, which 0.55 is announced to do', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portcullis-version-'));
    const rule = (effect: string, more: object): object => ({ actions: ['read'], effect, roles: ['*'], ...more });
    const deny = rule('EFFECT_DENY', { condition: { match: { expr: 'R.attr.secret == true' } } });
    writeFileSync(
      join(folder, 'note.json'),
      JSON.stringify({
        apiVersion: 'api.cerbos.dev/v1',
        resourcePolicy: { resource: 'note', version: 'default', rules: [rule('EFFECT_ALLOW', {}), deny] },
      }),
    );
    const engines = await Promise.all([embedded({ policies: folder }), cerbosSidecar({ policies: folder, pollMs: 0 })]);
    try {
      for (const pdp of engines) {
        expect(await effectOf(pdp, { secret: true })).toBe('deny');
        expect(await effectOf(pdp, { secret: false })).toBe('allow');
        expect(await effectOf(pdp, {}), whatToDo).toBe('allow');
        expect(await effectOf(pdp, { secret: 'true' })).toBe('allow');
      }
    } finally {
      await Promise.all(engines.map((pdp) => pdp.close()));
      rmSync(folder, { recursive: true });
    }
  });
});

async function effectOf(pdp: PolicyDecisionPoint, attr: Attributes): Promise<string | undefined> {
  const [[decision] = []] = await pdp.check({
    principal: { id: 'p', roles: ['member'], attr: {} },
    scope: '',
    questions: [{ resource: { kind: 'note', id: '1', tenant: tenantId('t'), attr }, actions: ['read'] }],
  });
  return decision?.effect;
}
