import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import type { AuditEntry } from '@portcullis/audit';
import { edit } from './customer-steps.js';
import { playStory, type StoryRow } from './story.js';
import { adminAudience } from './identity.js';
import { table } from './table.js';
import { startWorld, type World } from './world.js';

const help = `Usage: npm run demo -- [options]

Plays the demo: users of three identity providers and two tenants call the tools of one MCP server through a real
MCP client, and an operator takes in a third; a real Cerbos PDP decides each call from the YAML in policies/.

  --serve           keep the server up, print tokens, and pick up policy edits
  --port NUMBER     the port of the MCP server (with --serve: 4000)
  --policies DIR    the policy folder (default: policies)
  --audit FILE      append the audit log to a file
  --json            print the story as JSON
  --no-color        no colours
  --help            this text

Environment:
  DATABASE_URL      a PostgreSQL server for the documents, as a role that may create schemas and roles; a schema and
                    a role portcullis_demo are made there, and deleted at the end (default: PGlite, in this process)

Exit codes: 0 every decision was right, 1 one was wrong, 2 the options are wrong or the demo could not start.
`;

interface Options {
  readonly serve: boolean;
  readonly port: number | undefined;
  readonly policies: string;
  readonly audit: string | undefined;
  readonly json: boolean;
  readonly colour: boolean;
}

function readOptions(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      serve: { type: 'boolean', default: false },
      port: { type: 'string' },
      policies: { type: 'string', default: 'policies' },
      audit: { type: 'string' },
      json: { type: 'boolean', default: false },
      'no-color': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port < 65_536))
    throw new TypeError(`--port: \`${String(values.port)}\` is no port`);
  return {
    serve: values.serve,
    port,
    policies: resolve(values.policies),
    audit: values.audit,
    json: values.json,
    colour: !values['no-color'] && process.env['NO_COLOR'] === undefined && process.stdout.isTTY,
  };
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function warn(findings: string): void {
  console.error(`Tools and policies do not fit together:\n${findings}\n`);
}

async function story(options: Options): Promise<number> {
  // The story edits a policy, and leaves yours alone.
  const policies = await mkdtemp(join(tmpdir(), 'portcullis-demo-'));
  let world: World | undefined;
  try {
    await cp(options.policies, policies, { recursive: true });
    if (!options.json) say('Starting four identity providers, the Cerbos PDP, the database and the MCP server …\n');
    world = await startWorld({
      policies,
      port: options.port,
      databaseUrl: process.env['DATABASE_URL'],
      auditFile: options.audit,
      onUnreconciled: warn,
    });
    if (!options.json) say(`The documents are in ${world.database}, under row-level security.\n`);
    const printed = storyTable();
    if (!options.json) say(printed.head());
    const rows = await playStory(world, policies, (row) => {
      if (!options.json) say(printed.line(row, options.colour ? colourOf(row) : undefined));
    });
    const wrong = rows.filter(({ right }) => !right);
    const trail = await world.verifyTrail();
    if (options.json) say(JSON.stringify({ rows, audit: world.audited, trail }, null, 2));
    else tellEnd(world, rows, wrong, trail);
    return wrong.length === 0 && trail.intact ? 0 : 1;
  } finally {
    await world?.close();
    await rm(policies, { recursive: true, force: true });
  }
}

function storyTable(): ReturnType<typeof table<StoryRow>> {
  return table<StoryRow>([
    { title: 'caller', width: 8, value: ({ caller }) => caller },
    { title: 'provider', width: 9, value: ({ provider }) => provider },
    { title: 'tenant', width: 9, value: ({ tenant }) => tenant },
    { title: 'call', width: 32, value: ({ what }) => what },
    { title: 'decision', width: 17, value: ({ decision, right }) => `${right ? '' : '✗ '}${decision}` },
    { title: 'policy that decided', width: 36, value: ({ policy }) => policy },
    { title: 'what came back', width: 60, value: ({ result }) => result },
  ]);
}

function colourOf({ decision, right }: StoryRow): (text: string, column: string) => string {
  return (text, column) =>
    column === 'decision' ? styleText(right ? (decision === 'allow' ? 'green' : 'yellow') : 'red', text) : text;
}

function tellEnd(
  { audited }: World,
  rows: readonly StoryRow[],
  wrong: readonly StoryRow[],
  trail: Awaited<ReturnType<World['verifyTrail']>>,
): void {
  say(`\nThe edit: in ${edit.file}, "${edit.from}" became "${edit.to}".`);
  say(`\nThe audit trail, ${String(audited.length)} records; the last ones:\n`);
  for (const entry of audited.slice(-12)) say(auditLine(entry));
  say('\nVerified, from the first record on:\n');
  for (const line of trail.lines) say(line);
  say(
    wrong.length === 0
      ? `\nAll ${String(rows.length)} decisions were right.`
      : `\n${String(wrong.length)} decisions were WRONG.`,
  );
}

function auditLine(entry: AuditEntry & { readonly time: string }): string {
  const effect = entry.type === 'outcome' ? entry.outcome : entry.effect;
  const decided = entry.type === 'decision' ? (entry.decisions.at(-1)?.policy ?? '') : '';
  const parts = [
    entry.time,
    entry.type.padEnd(8),
    effect.padEnd(7),
    (entry.tenant ?? '–').padEnd(7),
    entry.actor?.id ?? '–',
    entry.method ?? '',
    entry.name ?? '',
    decided,
    entry.code ?? '',
    `${String(entry.latencyMs)} ms`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

async function serve(options: Options): Promise<number> {
  const world = await startWorld({
    policies: options.policies,
    port: options.port ?? 4000,
    databaseUrl: process.env['DATABASE_URL'],
    auditFile: options.audit,
    onUnreconciled: warn,
    onPolicyChange: () => {
      say('The policies changed; the edit is live.');
    },
    onPolicyError: (message) => {
      say(`The edit is not served, the last good policies go on deciding:\n${message}`);
    },
  });
  const { auth0, entra, cognito, okta } = world.issuers;
  const soon = { exp: Math.floor(Date.now() / 1000) + 8 * 3600 };
  const tokens = {
    alice: await auth0.token(soon),
    bob: await entra.token(soon),
    carol: await cognito.token({ ...soon, 'custom:tenant_id': undefined }),
    olga: await okta.token({ ...soon, aud: adminAudience, uid: '00uOlga', groups: ['platform-admins'] }),
  };
  say(`The MCP server is up at ${world.url}. Tokens, for eight hours:\n`);
  for (const [name, token] of Object.entries(tokens)) say(`${name.toUpperCase()}=${token}\n`);
  say(
    `Olga operates the platform: ${world.adminUrl}, with her token and an X-Operator-Reason; ${world.adminUrl}/openapi.json says how.\n`,
  );
  say(
    'Alice is a member of acme, Bob an administrator of globex; Carol belongs to both and has to say which (X-Tenant-ID).\n',
  );
  say('A copy-paste line for an MCP client (the MCP inspector, which needs Node 22):\n');
  say(
    `npx @modelcontextprotocol/inspector@2 --cli ${world.url} --transport http --method tools/list --header "Authorization: Bearer ${tokens.alice}"\n`,
  );
  say(
    `Now edit ${join(options.policies, edit.file)}: in the rule "close", write tenant_editor in place of tenant_admin,`,
  );
  say('save, and Alice may close tickets. Ctrl-C ends the demo.');
  await new Promise<void>((end) => {
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
  await world.close();
  return 0;
}

try {
  const options = readOptions();
  if (options === 'help') process.stdout.write(help);
  else process.exitCode = await (options.serve ? serve(options) : story(options));
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof Error && 'detail' in error && typeof error.detail === 'string') console.error(error.detail);
  process.exitCode = 2;
}
