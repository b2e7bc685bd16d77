import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cerbosBinary } from '@portcullis/pdp/cerbos';
import { errorsPage } from './errors-page.js';
import { examples, pages, root, type Page } from './pages.js';

const run = promisify(execFile);
const modules = join(root, '.tmp', 'docs');
const all = pages();
const runnable = [...all, ...examples()].filter(({ snippets }) => snippets.some(isRun));

function isRun({ language, file }: Page['snippets'][number]): boolean {
  return language === 'ts' && file === undefined;
}

/** A page's snippets, one after the other, are one module. */
function moduleOf(page: Page): { file: string; code: string } {
  const code = page.snippets
    .filter(isRun)
    .map((snippet) => snippet.code)
    .join('\n');
  return { file: join(modules, `${page.path.replace(/[^\w-]+/g, '-')}.mts`), code: `${code}\nexport {};\n` };
}

const work = mkdtempSync(join(tmpdir(), 'portcullis-docs-'));
beforeAll(() => {
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(modules, { recursive: true });
  for (const page of runnable) {
    const { file, code } = moduleOf(page);
    writeFileSync(file, code);
  }
  writeFileSync(
    join(modules, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.test.json',
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ['*.mts'],
    }),
  );
  // Snippets run where a reader would run them: in a folder with policies.
  cpSync(join(root, 'policies'), join(work, 'policies'), { recursive: true });
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

describe('the documentation', () => {
  it('has pages, and they have snippets', () => {
    expect(all.length).toBeGreaterThan(20);
    expect(runnable.length).toBeGreaterThan(15);
  });

  it('compiles', () => {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    let output = '';
    try {
      execFileSync(process.execPath, [tsc, '-p', join(modules, 'tsconfig.json')], { encoding: 'utf8' });
    } catch (error) {
      output = (error as { stdout: string }).stdout;
    }
    expect(output).toBe('');
  });

  it.each(runnable.map((page) => [page.path, page] as const))(
    '%s runs, and prints what it says',
    async (_path, page) => {
      const { file, code } = moduleOf(page);
      const starter = `await import(${JSON.stringify(file)}); process.exit(0);`;
      const { stdout } = await run(
        process.execPath,
        [
          '--conditions=@portcullis/source',
          '--import',
          import.meta.resolve('tsx'),
          '--input-type=module',
          '-e',
          starter,
        ],
        { cwd: work, encoding: 'utf8', timeout: 40_000 },
      );
      const printed = [...code.matchAll(/\/\/ prints: (.*)$/gm)].map(([, line = '']) => line);
      expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('{"level"'))).toEqual(printed);
    },
  );

  const files = all.flatMap(({ path, snippets }) =>
    snippets.flatMap(({ file, code }) => (file === undefined ? [] : [[path, file, code] as const])),
  );
  it.each(files)('%s shows %s as it is', (_path, file, code) => {
    expect(code).toBe(readFileSync(join(root, file), 'utf8'));
  });

  const policies = all.filter(({ snippets }) =>
    snippets.some(({ code }) => code.includes('apiVersion: api.cerbos.dev')),
  );
  it.each(policies.map((page) => [page.path, page] as const))(
    'the policies in %s compile, and their tests pass',
    async (_path, page) => {
      const folder = mkdtempSync(join(work, 'policies-'));
      page.snippets
        .filter(({ language, file }) => language === 'yaml' && file === undefined)
        .forEach(({ code }, index) => {
          writeFileSync(join(folder, `${String(index)}${/^tests:/m.test(code) ? '_test' : ''}.yaml`), code);
        });
      await run(cerbosBinary(), ['compile', '--output=list', folder], {
        env: { ...process.env, CERBOS_NO_TELEMETRY: '1' },
      });
    },
  );

  it.each(all.map((page) => [page.path, page] as const))('%s links to what is there', (path, page) => {
    const links = [...page.text.matchAll(/\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(resolve(root, dirname(path), link)))).toEqual([]);
  });

  it.each(all.map((page) => [page.path, page] as const))('%s names commands that there are', (_path, page) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
    const named = [...page.text.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => script);
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });

  it('lists every error code, as the table has it', async () => {
    await expect(errorsPage()).toMatchFileSnapshot(join(root, 'docs', 'reference', 'errors.md'));
  });
});
