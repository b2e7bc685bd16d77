import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { parseArgs, styleText } from 'node:util';
import { bundlePolicies, type PolicyBundle } from '@portcullis/pdp/embedded';
import { hasColour, printable, say, usage, UsageError, type Command } from '../command.js';
import { folderOf } from './folder.js';

const help = `Usage: portcullis policies build [FOLDER] --out FILE [options]

Writes the policies of a folder (default: ./policies) as one file, for embedded({ bundle }): they are linted and compiled
before, and the file names its revision.

  --out FILE               where to; it is replaced as a whole
  --check                  write nothing, and say whether FILE is what would be written
  --allow-widening-scopes  take scoped policies that can widen what the base policy allows
  --json                   what came out as JSON
  --help                   this text

Exit codes: 0 written, or up to date; 1 the policies are refused, or with --check FILE is not up to date; 2 the arguments
are wrong or a file cannot be read or written.
`;

/** `portcullis policies build` */
export const build: Command = {
  summary: 'write the policies of a folder as one file',
  help,
  async run(args) {
    const { values, positionals } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          out: { type: 'string' },
          check: { type: 'boolean', default: false },
          'allow-widening-scopes': { type: 'boolean', default: false },
          json: { type: 'boolean', default: false },
        },
      }),
    );
    const { out, check, json } = values;
    if (out === undefined) throw new UsageError('--out is needed');
    const bundle = await bundled(folderOf(positionals), values['allow-widening-scopes']);
    if (bundle === undefined) return 1;
    const isUpToDate = (await present(out)) === bundle.text;
    if (!check && !isUpToDate) await replace(out, bundle.text);
    const { revision, policies, warnings } = bundle;
    if (json) await say(JSON.stringify({ out, revision, policies, warnings, isUpToDate }, null, 2));
    else await tell(bundle, check && !isUpToDate ? `${out} is NOT up to date` : `${out} is up to date`);
    return check && !isUpToDate ? 1 : 0;
  },
};

/** The bundle; `undefined` if the policies are refused, which is said. */
async function bundled(policies: string, allowWideningScopes: boolean): Promise<PolicyBundle | undefined> {
  try {
    return await bundlePolicies({ policies, allowWideningScopes });
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'policies_invalid') throw error;
    for (const line of error.message.split('\n')) console.error(printable(line));
    return undefined;
  }
}

async function present(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Nobody ever reads half a file. */
async function replace(file: string, text: string): Promise<void> {
  const next = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(next, text);
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

async function tell({ revision, policies, warnings }: PolicyBundle, outcome: string): Promise<void> {
  for (const { file, message } of warnings) {
    const line = `warning: ${printable(file)}: ${printable(message)}`;
    await say(hasColour() ? styleText('yellow', line) : line);
  }
  await say(`${String(policies)} policies, revision ${revision}`);
  await say(outcome);
}
