import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDocument, isSeq, isMap, type Document, type YAMLMap } from 'yaml';
import { cerbosBinary } from '@portcullis/pdp/cerbos';
import { lintPolicies, policyFiles, readPolicies } from '@portcullis/pdp';

const source = join(import.meta.dirname, '..', '..', 'policies');
const scratch = mkdtempSync(join(tmpdir(), 'portcullis-mutants-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** Whether the policies in a folder pass their own tests. */
function passes(folder: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(cerbosBinary(), ['compile', folder], { maxBuffer: 64 * 1024 * 1024 }, (error) => resolve(error === null));
  });
}

interface Mutant {
  readonly file: string;
  readonly what: string;
  readonly text: string;
}

/** Where the rules of a policy document are. */
const rulePaths = [
  ['resourcePolicy', 'rules'],
  ['principalPolicy', 'rules'],
  ['derivedRoles', 'definitions'],
];

/** Each rule taken away, each condition taken away, and each condition of several with one part taken away. */
function mutantsOf(file: string): readonly Mutant[] {
  const text = readFileSync(join(source, file), 'utf8');
  const mutants: Mutant[] = [];
  const mutate = (what: string, change: (document: Document) => void): void => {
    const document = parseDocument(text);
    change(document);
    mutants.push({ file, what, text: document.toString() });
  };
  const original = parseDocument(text);
  for (const path of rulePaths) {
    const rules = original.getIn(path);
    if (!isSeq(rules)) continue;
    rules.items.forEach((item, index) => {
      const rule = item as YAMLMap;
      const label = rule.has('name') ? JSON.stringify(rule.get('name')) : String(index);
      // A definition that others refer to cannot be taken away; that does not compile.
      if (path[0] !== 'derivedRoles')
        mutate(`without rule ${label}`, (document) => document.deleteIn([...path, index]));
      if (rule.has('condition'))
        mutate(`${label} without its condition`, (document) => document.deleteIn([...path, index, 'condition']));
      const parts = rule.getIn(['condition', 'match', 'all', 'of']);
      if (isSeq(parts)) {
        parts.items.forEach((_part, part) =>
          mutate(`${label} without part ${String(part)} of its condition`, (document) =>
            document.deleteIn([...path, index, 'condition', 'match', 'all', 'of', part]),
          ),
        );
      }
      if (rule.has('output'))
        mutate(`${label} without its output`, (document) => document.deleteIn([...path, index, 'output']));
      const actions = rule.get('actions');
      if (isSeq(actions) && actions.items.length > 1 && !isMap(actions.items[0])) {
        actions.items.forEach((action, at) =>
          mutate(`${label} without action ${String(action)}`, (document) =>
            document.deleteIn([...path, index, 'actions', at]),
          ),
        );
      }
    });
  }
  return mutants;
}

describe('the policies', () => {
  it('pass their own tests', async () => {
    expect(await passes(source)).toBe(true);
  });

  it('have no finding of the lint, but for kinds that a scope cannot have policies of beside its roles', async () => {
    const rules = lintPolicies(await readPolicies(source)).map(({ rule }) => rule);
    // Cerbos 0.51 refuses a scope with role policies and more than one resource policy.
    expect([...new Set(rules)]).toEqual(['scope_without_schema']);
  });

  it('have a test that fails for every rule, condition and output that is taken away', async () => {
    const mutants = (await policyFiles(source)).flatMap(mutantsOf);
    expect(mutants.length).toBeGreaterThan(30);
    const survivors: string[] = [];
    const next = mutants.entries();
    const work = async (worker: number): Promise<void> => {
      const folder = join(scratch, String(worker));
      cpSync(source, folder, { recursive: true });
      for (const [, { file, what, text }] of next) {
        writeFileSync(join(folder, file), text);
        if (await passes(folder)) survivors.push(`${file}: ${what}`);
        writeFileSync(join(folder, file), readFileSync(join(source, file)));
      }
    };
    await Promise.all([work(0), work(1)]);
    expect(survivors.join('\n')).toBe('');
  }, 300_000);
});
