import { parseArgs, styleText } from 'node:util';
import { readBundle, verifyBundle, verifyTrail, type Finding, type TrailReport } from '@portcullis/audit';
import { hasColour, printable, say, usage, UsageError, type Command } from '../command.js';
import { isBundle, openSource, readAnchors, readKeys, sourceHelp } from './source.js';

const help = `Usage: portcullis audit verify [PATH] --keys FILE [options]

Looks whether anything in audit trails was edited, removed, inserted, moved or written anew since it was recorded.

${sourceHelp}  --keys FILE        the public keys that you trust: a JSON Web Key Set, from somewhere else than the trail;
                     for a bundle, those inside it are used without
  --anchors FILE     checkpoints that were published elsewhere, one a line: what was cut off at the end is found by them alone
  --require-signed   records that no checkpoint vouches for yet are findings
  --json             the report as JSON
  --help             this text

Exit codes: 0 intact, 1 findings, 2 the arguments are wrong or something cannot be read.
`;

interface Options {
  readonly path: string | undefined;
  readonly keys: string | undefined;
  readonly anchors: string | undefined;
  readonly schema: string | undefined;
  readonly requireSigned: boolean;
  readonly json: boolean;
}

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = usage(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        keys: { type: 'string' },
        anchors: { type: 'string' },
        schema: { type: 'string' },
        'require-signed': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }),
  );
  if (positionals.length > 1) throw new UsageError('one path, please');
  const { keys, anchors, schema, json } = values;
  return { path: positionals[0], keys, anchors, schema, json, requireSigned: values['require-signed'] };
}

type Report = TrailReport & { readonly keyIds: readonly string[]; readonly ownKeys: boolean };

async function reportOf({ path, keys: keyFile, anchors: anchorFile, schema, requireSigned }: Options): Promise<Report> {
  const keys = keyFile === undefined ? undefined : await readKeys(keyFile);
  const anchors = anchorFile === undefined ? [] : await readAnchors(anchorFile);
  if (path !== undefined && (await isBundle(path)))
    return verifyBundle(readBundle(path), { ...(keys === undefined ? {} : { keys }), anchors, requireSigned });
  if (keys === undefined) throw new UsageError('--keys is needed: keys that come with a trail prove nothing');
  const source = await openSource(path, schema);
  try {
    // The heads come first: what is added meanwhile is behind them.
    const heads = await source.heads();
    const report = await verifyTrail({
      records: source.records(),
      checkpoints: source.checkpoints(),
      ...{ keys, anchors, heads, requireSigned },
    });
    return { ...report, keyIds: keys.map(({ kid }) => kid), ownKeys: false };
  } finally {
    await source.close();
  }
}

/** `portcullis audit verify` */
export const verify: Command = {
  summary: 'look whether anything was changed since it was recorded',
  help,
  async run(args) {
    const options = readOptions(args);
    const report = await reportOf(options);
    if (options.json) await say(JSON.stringify(report, null, 2));
    else await tell(report);
    return report.intact ? 0 : 1;
  },
};

async function tell(report: Report): Promise<void> {
  const paint = (colour: 'red' | 'green' | 'yellow', text: string): string =>
    hasColour() ? styleText(colour, text) : text;
  for (const { trail, records, first, last, signedTo, removedTo } of report.trails) {
    const range = records === 0 ? 'no records' : `${String(records)} records, ${String(first)} to ${String(last)}`;
    const removed = removedTo === 0 ? '' : `; up to ${String(removedTo)} removed by retention, on record`;
    const unsigned = last > signedTo ? paint('yellow', `; ${String(last - signedTo)} at the end not signed yet`) : '';
    await say(`${printable(trail)}: ${range}${removed}${unsigned}`);
  }
  for (const finding of report.findings) await say(paint('red', lineOf(finding)));
  const more = report.findingCount - report.findings.length;
  if (more > 0) await say(paint('red', `and ${String(more)} more`));
  const counted = `${String(report.records)} records, ${String(report.checkpoints)} checkpoints`;
  if (report.ownKeys)
    await say(
      paint(
        'yellow',
        `verified with the bundle’s own keys: compare their ids with those that were published: ${report.keyIds.map(printable).join(', ')}`,
      ),
    );
  await say(
    report.intact
      ? paint('green', `Intact: ${counted}.`)
      : paint('red', `NOT intact: ${String(report.findingCount)} findings in ${counted}.`),
  );
}

function lineOf({ kind, trail, seq, to, detail }: Finding): string {
  const range =
    seq === undefined ? '' : to === undefined || to === seq ? ` ${String(seq)}` : ` ${String(seq)}-${String(to)}`;
  const where = trail === '' ? '' : ` ${printable(trail)}${range}`;
  return `${kind}${where}: ${printable(detail)}`;
}
