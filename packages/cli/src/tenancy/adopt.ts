import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { PortcullisError, type ErrorCode } from '@portcullis/core';
import { printable, say, usage, UsageError, type Command } from '../command.js';
import type { Action, ActionOptions, AdoptionPort, AdoptionReport, Progress, StepReport } from './adoption-port.js';
import { loadConfig } from './load-config.js';

const help = `Usage: portcullis tenancy adopt --config FILE [--dry-run] [--finish | --undo] [options]

Makes the data of a server without tenants the data of one tenant; deletes what that left behind; takes it all back.

  --config FILE      a module whose default export is { adoption, close? }, or a function that gives it: see
                     docs/how-to/adopt-tenants.md. It is run as a program.
  --dry-run          say what would be done, and change nothing
  --finish           delete the originals, once the server with tenants has proven itself
  --undo             bring the data back to where it was
  --yes              do not ask; needed where there is no terminal to ask at
  --accept-deleted   with --finish: delete originals also where the tenant's copy is gone
  --on-conflict SIDE with --undo: where both sides were written, keep the tenant's or the original
  --mix-tenants      with --undo: rows of other tenants become everybody's
  --inexact          with --undo: leave changes that others have made to the tables since
  --sql              with --dry-run: print the SQL
  --json             the report as JSON
  --help             this text

Exit codes: 0 done, or a dry run that nothing speaks against; 1 something speaks against it, and is named; 2 the arguments
are wrong, or a store cannot be reached.
`;

interface Options {
  readonly config: string;
  readonly action: Action;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly sql: boolean;
  readonly json: boolean;
  readonly how: Omit<ActionOptions, 'signal'>;
}

function readOptions(args: readonly string[]): Options {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = usage(() =>
    parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        'dry-run': flag,
        finish: flag,
        undo: flag,
        yes: flag,
        'accept-deleted': flag,
        'on-conflict': { type: 'string' },
        'mix-tenants': flag,
        inexact: flag,
        sql: flag,
        json: flag,
      },
    }),
  );
  if (values.config === undefined) throw new UsageError('--config is needed');
  if (values.finish && values.undo) throw new UsageError('--finish or --undo, not both');
  const action = values.finish ? 'finish' : values.undo ? 'undo' : 'run';
  const onConflict = sideOf(values['on-conflict']);
  if (action !== 'finish' && values['accept-deleted']) throw new UsageError('--accept-deleted goes with --finish');
  if (action !== 'undo' && (onConflict !== undefined || values['mix-tenants'] || values.inexact))
    throw new UsageError('--on-conflict, --mix-tenants and --inexact go with --undo');
  const how = {
    acceptDeleted: values['accept-deleted'],
    mixTenants: values['mix-tenants'],
    inexact: values.inexact,
    onConflict,
  };
  return {
    config: values.config,
    action,
    dryRun: values['dry-run'],
    yes: values.yes,
    sql: values.sql,
    json: values.json,
    how,
  };
}

function sideOf(side: string | undefined): 'tenant' | 'original' | undefined {
  if (side === undefined || side === 'tenant' || side === 'original') return side;
  throw new UsageError('--on-conflict is `tenant` or `original`');
}

/** `portcullis tenancy adopt` */
export const adopt: Command = {
  summary: 'make the data of a server without tenants one tenant’s, or take it back',
  help,
  async run(args) {
    const options = readOptions(args);
    if (!options.dryRun && !options.yes && !(process.stdin.isTTY && process.stderr.isTTY))
      throw new UsageError('there is no terminal to ask at: say --yes');
    const { adoption, close } = await loadConfig(options.config);
    const ending = new AbortController();
    const onInterrupt = (): void => ending.abort(new Error('interrupted'));
    process.once('SIGINT', onInterrupt);
    try {
      return await act(adoption, options, ending.signal);
    } catch (error) {
      if (!(error instanceof PortcullisError) || !refusals.has(error.code)) throw error;
      const { code, message, detail } = error;
      if (options.json) await say(JSON.stringify({ error: { code, message, detail } }, null, 2));
      else console.error(printable(`${code}: ${message}${detail === undefined ? '' : `: ${detail}`}`));
      return 1;
    } finally {
      process.removeListener('SIGINT', onInterrupt);
      await close();
    }
  },
};

/** What speaks against it, and is no failure. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'storage_refused',
  'storage_conflict',
  'storage_unproven',
  'conflict',
]);

async function act(
  adoption: AdoptionPort,
  { action, dryRun, yes, json, sql, how }: Options,
  signal: AbortSignal,
): Promise<number> {
  if (dryRun || !yes) {
    const planned = await adoption.dryRun({ ...how, action, signal });
    if (!(dryRun && json)) await tell(planned, sql, dryRun ? say : complain);
    else await say(JSON.stringify(planned, null, 2));
    if (dryRun) return planned.steps.every(({ plan }) => (plan?.obstacles.length ?? 0) === 0) ? 0 : 1;
    if (!(await confirmed(planned, signal))) {
      await complain('nothing was done');
      return 1;
    }
  }
  const report = await adoption[action]({ ...how, signal, onProgress: json ? undefined : told });
  if (json) await say(JSON.stringify(report, null, 2));
  else await tell(report, false, say);
  return 0;
}

const complain = (text: string): Promise<void> => {
  console.error(text);
  return Promise.resolve();
};

function told({ step, index, of, state, counts = {} }: Progress): void {
  console.error(printable(`${String(index)}/${String(of)} ${step} ${state} ${countsOf(counts)}`.trimEnd()));
}

async function confirmed({ tenant, action }: AdoptionReport, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`To go on with \`${action}\`, type the tenant’s id (${printable(tenant)}): `, {
      signal,
    });
    return answer.trim() === tenant;
  } finally {
    lines.close();
  }
}

async function tell(
  { tenant, state, steps }: AdoptionReport,
  sql: boolean,
  write: (line: string) => Promise<void>,
): Promise<void> {
  await write(printable(`tenant ${tenant}: ${state}`));
  for (const { step, counts, plan } of steps) {
    await write(printable(`${step}: ${countsOf(counts)}`));
    for (const line of plan === undefined ? [] : planOf(plan)) await write(`  ${printable(line)}`);
    if (sql && plan?.sql !== undefined) await write(plan.sql.split('\n').map(printable).join('\n'));
  }
}

function planOf({ does, locks = [], obstacles, exposedTo = [] }: NonNullable<StepReport['plan']>): readonly string[] {
  return [
    ...does,
    ...locks.map(({ what, lock, until }) => `locks ${what} ${lock} until ${until}`),
    ...(exposedTo.length === 0 ? [] : [`let no tenant of these ids in before --finish: ${exposedTo.join(', ')}`]),
    ...obstacles.map(({ what, why }) => `! ${what}: ${why}`),
  ];
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${String(count)}`)
    .join(', ');
}
