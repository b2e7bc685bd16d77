import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { portcullis } from '../portcullis.js';

const root = mkdtempSync(join(tmpdir(), 'portcullis-policies-'));
afterAll(() => {
  rmSync(root, { recursive: true });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const folder = join(root, 'policies');
mkdirSync(folder);
const policy = (effect: string): string =>
  `apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: note\n  version: default\n  rules:\n    - { actions: ["read"], effect: ${effect}, roles: ["member"], condition: { match: { expr: R.attr.open } } }\n`;
writeFileSync(join(folder, 'note.yaml'), policy('EFFECT_ALLOW'));
writeFileSync(
  join(folder, 'note_test.yaml'),
  `name: notes
principals: { ann: { id: ann, roles: [member] } }
resources: { open: { kind: note, id: "1", attr: { open: true } } }
tests:
  - name: read
    input: { principals: [ann], resources: [open], actions: [read] }
    expected: [{ principal: ann, resource: open, actions: { read: EFFECT_ALLOW } }]
`,
);
const request = join(root, 'request.json');
const ask = (open: unknown): void => {
  writeFileSync(
    request,
    JSON.stringify({
      principal: { id: 'ann', roles: ['member'] },
      questions: [{ resource: { kind: 'note', id: '1', tenant: 'acme', attr: { open } }, actions: ['read'] }],
    }),
  );
};

async function run(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let [out, err] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text, done: unknown) => {
    out += String(text);
    if (typeof done === 'function') (done as () => void)();
    return true;
  });
  vi.spyOn(console, 'error').mockImplementation((text: unknown) => (err += `${String(text)}\n`));
  const code = await portcullis(['policies', ...args]);
  return { code, out, err };
}

describe('policies build', () => {
  const out = join(root, 'policies.json');

  it('writes a bundle, knows when it is up to date, and says so in JSON', async () => {
    expect(await run('build', folder, '--out', out, '--check')).toMatchObject({ code: 1 });
    expect((await run('build', folder, '--out', out)).out).toMatch(/1 policies, revision [\da-f]{64}/);
    const text = readFileSync(out, 'utf8');
    expect(await run('build', folder, '--out', out, '--check')).toMatchObject({ code: 0 });
    const { code, out: said } = await run('build', folder, '--out', out, '--json');
    expect([code, JSON.parse(said)]).toMatchObject([0, { out, policies: 1, warnings: [], isUpToDate: true }]);
    expect(readFileSync(out, 'utf8')).toBe(text);
  });

  it('writes nothing of policies that are refused, and says where', async () => {
    const broken = join(root, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'note.yaml'), policy('EFFECT_ALLOW').replace('R.attr.open', 'nobody.knows'));
    const before = readFileSync(out, 'utf8');
    const { code, err } = await run('build', broken, '--out', out);
    expect(code).toBe(1);
    expect(err).toContain('note.yaml:6');
    expect(readFileSync(out, 'utf8')).toBe(before);
  });

  it.each([[[]], [['--out', 'x', 'a', 'b']], [['--nonsense']]])('says how it is used: %j', async (args) => {
    const { code, err } = await run('build', ...args);
    expect([code, err]).toEqual([2, expect.stringContaining('Usage: portcullis policies build')]);
  });
});

describe('policies test', () => {
  it('runs the suites', async () => {
    expect(await run('test', folder)).toMatchObject({ code: 0, out: '1 passed, 0 failed, 0 skipped, 0 errored\n' });
    const { out } = await run('test', folder, '--json');
    expect(JSON.parse(out)).toMatchObject({ engine: 'embedded', counts: { passed: 1 } });
  });

  it('fails with a test, and names it', async () => {
    writeFileSync(join(folder, 'note.yaml'), policy('EFFECT_DENY'));
    const { code, out } = await run('test', folder);
    writeFileSync(join(folder, 'note.yaml'), policy('EFFECT_ALLOW'));
    expect(code).toBe(1);
    expect(out).toContain('note_test.yaml / read / ann / open / read');
  });

  it('refuses an expression that is none', async () => {
    expect(await run('test', folder, '--run', '(')).toMatchObject({ code: 2 });
  });
});

describe('policies explain', () => {
  it('says what decided, from a folder and from a bundle', async () => {
    const bundle = join(root, 'explain.json');
    await run('build', folder, '--out', bundle);
    ask(true);
    for (const from of [[folder], ['--bundle', bundle]]) {
      const { code, out } = await run('explain', ...from, '--request', request);
      expect(code).toBe(0);
      expect(out).toContain('ALLOW read on note 1: `resource.note.vdefault#rule-001` allows it');
      expect(out).toContain('    R.attr.open: true');
    }
  });

  it('ends with 1 for a denial, and gives JSON', async () => {
    ask('yes');
    const { code, out } = await run('explain', folder, '--request', request, '--json');
    expect([code, JSON.parse(out)]).toMatchObject([
      1,
      [
        {
          reason: 'no rule allows it',
          rules: [{ outcome: 'condition_not_met', condition: { result: 'not_a_boolean' } }],
        },
      ],
    ]);
  });

  it.each(['{', '{"principal":{}}', '{"principal":{"id":"a","roles":[]},"questions":[]}'])(
    'refuses a request that is malformed: %s',
    async (text) => {
      writeFileSync(request, text);
      const { code, err } = await run('explain', folder, '--request', request);
      expect([code, err]).toEqual([2, expect.stringContaining('the request is')]);
    },
  );
});
