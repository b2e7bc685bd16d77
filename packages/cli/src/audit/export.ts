import { open, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { exportBundle, trailOfTenant } from '@portcullis/audit';
import { usage, UsageError, type Command } from '../command.js';
import { openSource, readKeys, sourceHelp, timeOf } from './source.js';

const help = `Usage: portcullis audit export [PATH] --keys FILE (--tenant ID | --trail NAME | --all) [options]

Writes records, their checkpoints and the public keys into one bundle, which \`portcullis audit verify\` verifies by itself.

${sourceHelp}  --keys FILE        the public keys of the checkpoints: a JSON Web Key Set
  --tenant ID        the trail of a tenant; may be repeated
  --trail NAME       a trail (tenant:ID, operators, system); may be repeated
  --all              all trails, with the checkpoints over all of them: it names every tenant
  --from, --to TIME  ISO 8601: a period, rounded up to whole checkpoints
  --out FILE         a new file, readable by its owner alone (default: standard output)
  --help             this text

Exit codes: 0 done, 2 the arguments are wrong or something cannot be read or written.
`;

function parse(args: readonly string[]) {
  return usage(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        schema: { type: 'string' },
        keys: { type: 'string' },
        tenant: { type: 'string', multiple: true, default: [] },
        trail: { type: 'string', multiple: true, default: [] },
        all: { type: 'boolean', default: false },
        from: { type: 'string' },
        to: { type: 'string' },
        out: { type: 'string' },
      },
    }),
  );
}

/** `portcullis audit export` */
export const exportTrails: Command = {
  summary: 'write a bundle that verifies by itself',
  help,
  async run(args) {
    const { values, positionals } = parse(args);
    if (positionals.length > 1) throw new UsageError('one path, please');
    if (values.keys === undefined) throw new UsageError('--keys is needed');
    const named = [...values.tenant.map(trailOfTenant), ...values.trail];
    // Everything is never what is exported because nothing was named.
    if (values.all === named.length > 0) throw new UsageError('name trails, or say --all');
    const period = { from: timeOf('from', values.from), to: timeOf('to', values.to) };
    const keys = await readKeys(values.keys);
    const source = await openSource(positionals[0], values.schema);
    try {
      const there = new Set(await source.trails());
      const missing = named.filter((trail) => !there.has(trail));
      if (missing.length > 0) throw new UsageError(`there is no trail \`${missing.join('`, `')}\``);
      const lines = exportBundle({ store: source, keys, trails: values.all ? 'all' : named, ...period });
      await write(lines, values.out);
    } finally {
      await source.close();
    }
    return 0;
  },
};

async function write(lines: AsyncIterable<string>, path: string | undefined): Promise<void> {
  const text = Readable.from(withLineFeeds(lines));
  if (path === undefined) {
    await pipeline(text, process.stdout, { end: false });
    return;
  }
  // What is there already stays as it is.
  const file = await open(path, 'wx', 0o600);
  try {
    await pipeline(text, file.createWriteStream());
  } catch (error) {
    // Half a bundle is none.
    await rm(path, { force: true });
    throw error;
  }
}

async function* withLineFeeds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}
