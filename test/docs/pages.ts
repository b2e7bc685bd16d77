import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

/** A fenced block of code. */
interface Snippet {
  readonly language: string;
  /** `file=…` of its info string: the block is that file, to the letter. */
  readonly file: string | undefined;
  readonly code: string;
}

/** A page of the documentation, or a source file with examples in its comments. */
export interface Page {
  /** The path below the project's root. */
  readonly path: string;
  readonly text: string;
  readonly snippets: readonly Snippet[];
}

function files(folder: string, ending: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending) && !/node_modules|dist/.test(file))
    .map((file) => join(folder, file))
    .sort();
}

function snippetsOf(text: string): readonly Snippet[] {
  return [...text.matchAll(/^([ \t]*)```(\w+)([^\n]*)\n([\s\S]*?)^\1```$/gm)].map(
    ([, indent = '', language = '', info = '', code = '']) => ({
      language,
      file: /file=(\S+)/.exec(info)?.[1],
      // A block inside a list is indented with it.
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

/** All pages for people. */
export function pages(): readonly Page[] {
  const packages = files('packages', '.md').filter((file) => /^packages\/[a-z]+\/README\.md$/.test(file));
  return ['README.md', 'CHANGELOG.md', ...files('docs', '.md'), ...packages].map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, text, snippets: snippetsOf(text) };
  });
}

/** The examples in doc comments, each a page of its own. */
export function examples(): readonly Page[] {
  return files('packages', '.ts')
    .filter((file) => file.includes('/src/') && !file.endsWith('.test.ts'))
    .flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const bare = [...text.matchAll(/^[ \t]*\/\*\*([\s\S]*?)\*\//gm)]
        .map(([, comment = '']) => comment.replace(/^[ \t]*\* ?/gm, ''))
        .join('\n');
      return snippetsOf(bare).map((snippet, index) => ({
        path: `${relative('.', path)}-${String(index)}`,
        text: bare,
        snippets: [snippet],
      }));
    });
}
