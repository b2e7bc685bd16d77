// Part of npm run test:conformance: the MCP inspector's command-line mode, which needs Node 22, against the demo.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const tools = join(root, '.tmp', 'inspector');
const inspector = join(tools, 'node_modules', '@modelcontextprotocol', 'inspector');
if (!existsSync(inspector)) {
  console.log('Installing the MCP inspector and Node 22 into .tmp …');
  mkdirSync(tools, { recursive: true });
  writeFileSync(join(tools, 'package.json'), '{"private":true}\n');
  execFileSync(
    'npm',
    [
      'install',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '@modelcontextprotocol/inspector@2',
      `node22@npm:node-${process.platform}-${process.arch}@22`,
    ],
    { cwd: tools, stdio: 'inherit' },
  );
}
const { bin, version } = JSON.parse(readFileSync(join(inspector, 'package.json'), 'utf8'));
const command = join(inspector, typeof bin === 'string' ? bin : Object.values(bin)[0]);
const nodes = join(tools, 'node_modules', 'node22', 'bin');

const demo = spawn(process.execPath, [join(root, 'packages', 'demo', 'dist', 'main.js'), '--serve', '--port', '0'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
});
let printed = '';
demo.stdout.on('data', (chunk) => (printed += chunk));
while (!printed.includes('Ctrl-C')) {
  if (demo.exitCode !== null) throw new Error(`the demo did not start:\n${printed}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const url = /up at (http:\S+\/mcp)\./.exec(printed)?.[1];
const token = /^ALICE=(\S+)$/m.exec(printed)?.[1];

/** One call of the inspector's: what it printed. */
function inspect(...request) {
  const args = [command, '--cli', url, '--transport', 'http', '--header', `Authorization: Bearer ${token}`, ...request];
  return new Promise((resolve) => {
    const child = spawn(join(nodes, 'node'), args, {
      cwd: tools,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${nodes}${delimiter}${process.env.PATH ?? ''}` },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('exit', () => resolve(output));
  });
}

const expectations = [
  [['--method', 'tools/list'], '"document_share"'],
  [['--method', 'tools/call', '--tool-name', 'whoami'], 'auth0#auth0|alice'],
  [['--method', 'tools/call', '--tool-name', 'document_read', '--tool-arg', 'id=doc-1'], 'Roadmap'],
  // The inspector looks for a tool in the list before it calls it: hidden is nonexistent.
  [['--method', 'tools/call', '--tool-name', 'ticket_close', '--tool-arg', 'id=t-1'], 'not found'],
];
let wrong = 0;
for (const [request, expected] of expectations) {
  const output = await inspect(...request);
  const right = output.includes(expected);
  if (!right) wrong++;
  console.log(`${right ? '✓' : '✗'} inspector ${version}: ${request.slice(1).join(' ')}${right ? '' : `\n${output}`}`);
}
const ended = new Promise((resolve) => demo.once('exit', resolve));
demo.kill('SIGTERM');
await ended;
process.exit(wrong === 0 ? 0 : 1);
