import { parseArgs, styleText } from 'node:util';
import { z } from 'zod';
import { trailOfTenant, type StoreQuery, type TrailPosition } from '@portcullis/audit';
import { hasColour, printable, say, usage, UsageError, type Command } from '../command.js';
import { openSource, sourceHelp, timeOf } from './source.js';

const help = `Usage: portcullis audit query [PATH] [options]

Shows records of audit trails. It does not verify them: see \`portcullis audit verify\`.

${sourceHelp}  --tenant ID        records of a tenant; may be repeated
  --trail NAME       records of a trail (tenant:ID, operators, system); may be repeated (default: all trails)
  --actor KEY        provider#subject
  --effect EFFECT    allow or deny
  --type TYPE        decision, outcome, refusal, operator, operator_access, lifecycle, configuration
  --method METHOD    the MCP method
  --name NAME        the tool, prompt or resource
  --request ID       one request
  --from, --to TIME  ISO 8601
  --oldest           the oldest first
  --limit NUMBER     how many (default: 100)
  --json             one JSON record a line
  --help             this text

Exit codes: 0 done, 2 the arguments are wrong or something cannot be read.
`;

const entry = z.looseObject({
  type: z.string().optional(),
  effect: z.string().optional(),
  outcome: z.string().optional(),
  actor: z.looseObject({ id: z.string() }).optional(),
  tenant: z.string().optional(),
  method: z.string().optional(),
  name: z.string().optional(),
  action: z.string().optional(),
  code: z.string().optional(),
});

function parse(args: readonly string[]) {
  return usage(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        schema: { type: 'string' },
        tenant: { type: 'string', multiple: true, default: [] },
        trail: { type: 'string', multiple: true, default: [] },
        actor: { type: 'string' },
        effect: { type: 'string' },
        type: { type: 'string' },
        method: { type: 'string' },
        name: { type: 'string' },
        request: { type: 'string' },
        from: { type: 'string' },
        to: { type: 'string' },
        oldest: { type: 'boolean', default: false },
        limit: { type: 'string', default: '100' },
        json: { type: 'boolean', default: false },
      },
    }),
  );
}

/** `portcullis audit query` */
export const query: Command = {
  summary: 'show records by tenant, actor, time, effect and more',
  help,
  async run(args) {
    const { values, positionals } = parse(args);
    if (positionals.length > 1) throw new UsageError('one path, please');
    const { effect, actor, type, method, name, request, oldest, json } = values;
    if (effect !== undefined && effect !== 'allow' && effect !== 'deny')
      throw new UsageError('--effect: allow or deny');
    const limit = Number(values.limit);
    if (!Number.isInteger(limit) || limit < 1)
      throw new UsageError(`--limit: \`${values.limit}\` is no number of records`);
    const trails = [...values.tenant.map(trailOfTenant), ...values.trail];
    const question: StoreQuery = {
      trails: trails.length === 0 ? 'all' : trails,
      ...{ effect, actor, type, method, name, requestId: request, limit },
      order: oldest ? 'oldest' : 'newest',
      from: timeOf('from', values.from),
      to: timeOf('to', values.to),
    };
    const source = await openSource(positionals[0], values.schema);
    try {
      let left = limit;
      let after: TrailPosition | undefined;
      while (left > 0) {
        const page = await source.find({ ...question, after, limit: Math.min(left, 1000) });
        for (const record of page) {
          const value: unknown = JSON.parse(record.entry);
          const { trail, seq, time, hash } = record;
          await say(
            json ? JSON.stringify({ trail, seq, time, hash, entry: value }) : lineOf(trail, time, entry.parse(value)),
          );
        }
        left -= page.length;
        after = page.at(-1);
        if (page.length < 1000) break;
      }
    } finally {
      await source.close();
    }
    return 0;
  },
};

function lineOf(trail: string, time: string, said: z.infer<typeof entry>): string {
  const { type, effect, outcome, actor, method, name, action, code } = said;
  const shown = effect === 'deny' && hasColour() ? styleText('yellow', effect) : printable(effect ?? outcome ?? '');
  const behind = [actor?.id, action, method, name, code].map((part) => printable(part ?? ''));
  return [time, printable(trail), printable(type ?? ''), shown, ...behind].filter((part) => part !== '').join('  ');
}
