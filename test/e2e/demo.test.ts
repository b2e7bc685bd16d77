import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import pg from 'pg';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { startPostgres } from '@portcullis/testing/postgres';

const root = join(import.meta.dirname, '..', '..');
const command = ['--conditions=@portcullis/source', '--import=tsx', join(root, 'packages', 'demo', 'src', 'main.ts')];
// Each plays the whole story, some more than once.
vi.setConfig({ testTimeout: 240_000 });

const temporary: string[] = [];
const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  for (const folder of temporary) rmSync(folder, { recursive: true, force: true });
});

function demo(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [...command, ...options], { cwd: root, encoding: 'utf8', timeout: 110_000 });
}

/** A copy of the policies in which one line is another. */
function policiesWith(file: string, from: string, to: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-demo-test-'));
  temporary.push(folder);
  cpSync(join(root, 'policies'), folder, { recursive: true });
  const text = readFileSync(join(folder, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(folder, file), text.replace(from, to));
  return folder;
}

interface Story {
  readonly rows: readonly {
    caller: string;
    provider: string;
    tenant: string;
    decision: string;
    policy: string;
    right: boolean;
  }[];
  readonly audit: readonly { type: string; tenant?: string; effect?: string; code?: string }[];
  readonly trail: { readonly intact: boolean; readonly lines: readonly string[] };
}

describe('the demo', () => {
  it('plays its story, with four providers, two tenants and a third, and exits 0', () => {
    const { status, stdout, stderr } = demo('--json');
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { rows, audit, trail } = JSON.parse(stdout) as Story;
    expect(rows.every(({ right }) => right)).toBe(true);
    expect(new Set(rows.map(({ provider }) => provider))).toEqual(
      new Set(['Auth0', 'Entra ID', 'Cognito', 'Okta', '(none)']),
    );
    expect(new Set(rows.map(({ decision }) => decision))).toEqual(
      new Set([
        'allow',
        'denied',
        'tenant_required',
        'tenant_mismatch',
        'token_invalid',
        'approval_required',
        'tenant_unknown',
        'not_found',
        'rate_limited',
        'grant_required',
        'tenant_suspended',
      ]),
    );
    expect(trail.intact).toBe(true);
    expect(trail.lines.map((line) => line.split(' ')[0])).toEqual([
      'operators',
      'system',
      'tenant:acme',
      'tenant:globex',
      'tenant:initech',
    ]);
    // Each decision of the story is in the audit trail, the refusals at the door too.
    expect(new Set(audit.map(({ tenant }) => tenant))).toEqual(new Set(['acme', 'globex', 'initech', undefined]));
    for (const code of ['denied', 'tenant_required', 'tenant_mismatch', 'token_invalid', 'tenant_suspended'])
      expect(audit.map((entry) => entry.code)).toContain(code);
    // No colours, no table: JSON for machines, and no token in it.
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toMatch(/eyJ[\w-]+\.eyJ/);
  });

  it('keeps its documents on a PostgreSQL server where it is given one, and leaves nothing there', async () => {
    const server = await startPostgres();
    const look = async (text: string): Promise<unknown[]> => {
      const client = new pg.Client(server.url());
      await client.connect();
      const { rows } = await client.query<Record<string, unknown>>(text);
      await client.end();
      return rows;
    };
    await look('CREATE ROLE customer LOGIN CREATEROLE; GRANT CREATE ON DATABASE postgres TO customer');
    for (const user of ['postgres', 'customer']) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...command, '--no-color'], {
        cwd: root,
        encoding: 'utf8',
        timeout: 110_000,
        env: { ...process.env, DATABASE_URL: server.url('postgres', user) },
      });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(stdout).toContain(`The documents are in PostgreSQL at 127.0.0.1:${String(server.port)}`);
      expect(await look("SELECT FROM pg_roles WHERE rolname = 'portcullis_demo'")).toEqual([]);
      expect(await look("SELECT FROM pg_namespace WHERE nspname = 'portcullis_demo'")).toEqual([]);
    }
    await server.stop();
  }, 90_000);

  it('exits 2 where the database cannot be reached, and names it', () => {
    const { status, stderr } = spawnSync(process.execPath, [...command, '--json'], {
      cwd: root,
      encoding: 'utf8',
      timeout: 110_000,
      env: { ...process.env, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' },
    });
    expect(status).toBe(2);
    expect(stderr).toContain('ECONNREFUSED');
  });

  it('prints a table for people, that names the policy that decided', () => {
    const { status, stdout } = demo('--no-color');
    expect(status).toBe(0);
    expect(stdout).toMatch(/bob +Entra ID +globex +document_read doc-1 +allow +resource\.document\.vdefault\/globex/);
    expect(stdout).toContain('All 34 decisions were right.');
    expect(stdout).toContain('The audit trail');
  });

  it('exits 1 when a decision is wrong', () => {
    const policies = policiesWith('resources/tool.yaml', 'R.id in ["whoami"]', 'R.id in ["whoami"] && false');
    const wrong = policiesWith('resources/document.yaml', 'R.attr.classification != "secret"', 'true');
    expect(demo('--policies', wrong, '--json').status).toBe(1);
    const { status, stderr } = demo('--policies', policies, '--json');
    expect(stderr).toContain('never_allowed whoami');
    expect(status).toBe(1);
  });

  it('exits 2, at once and with the reason, when it cannot start', () => {
    const broken = policiesWith('resources/tool.yaml', 'rules:', 'rulez:');
    const { status, stderr } = demo('--policies', broken);
    expect(status).toBe(2);
    expect(stderr).toContain('tool.yaml');
    expect(demo('--policies', '/does/not/exist')).toMatchObject({ status: 2 });
    expect(demo('--nonsense')).toMatchObject({ status: 2 });
    expect(demo('--port', '70000').stderr).toContain('70000');
    expect(demo('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('Usage: npm run demo') });
  });

  it('serves, prints tokens that work, and picks up an edit', async () => {
    const policies = policiesWith('resources/ticket.yaml', 'apiVersion', 'apiVersion');
    const child = spawn(process.execPath, [...command, '--serve', '--port', '0', '--policies', policies], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.push(child);
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const see = async (pattern: RegExp): Promise<string> => {
      for (const end = Date.now() + 120_000; Date.now() < end;) {
        const found = pattern.exec(printed);
        if (found !== null) return found[1] ?? found[0];
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`never printed ${String(pattern)}:\n${printed}`);
    };
    const url = await see(/up at (http:\S+\/mcp)\./);
    const alice = await see(/^ALICE=(\S+)$/m);
    expect(await see(/^npx @modelcontextprotocol\/inspector.*$/m)).toContain(url);
    await see(/Ctrl-C/);
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: { authorization: `Bearer ${alice}` } },
      }),
    );
    const close = () => client.callTool({ name: 'ticket_close', arguments: { id: 't-1' } });
    await expect(close()).rejects.toThrow('denied');
    const file = join(policies, 'resources', 'ticket.yaml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('derivedRoles: [tenant_admin]', 'derivedRoles: [tenant_editor]'),
    );
    await see(/the edit is live/);
    expect((await close()).content).toEqual([{ type: 'text', text: 'closed t-1' }]);
    await client.close();
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
