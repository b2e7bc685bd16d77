// npm run load: 1,000 tenants on two replicas of a guarded server, on a real Redis, PostgreSQL and PDP, with mixed
// traffic; then the same while servers are killed and started again, a replica is killed, and the clock jumps.
import { Buffer } from 'node:buffer';
import { fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import pg from 'pg';
import { checkpointSigner, generateCheckpointKey, verifyTrail } from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { tenantId } from '@portcullis/core';
import { postgresUsage } from '@portcullis/limits/postgres';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { conformingSql } from '@portcullis/storage/postgres';
import { registry } from '@portcullis/tenants';
import { keyvStore } from '@portcullis/tenants/keyv';
import { redisInvalidations } from '@portcullis/tenants/redis';
import { fixtures, startIssuer } from '@portcullis/testing/issuers';
import { startPostgres } from '@portcullis/testing/postgres';
import { startRedis } from '@portcullis/testing/redis';

const scenarios = ['unguarded', 'steady', 'limits', 'noisy', 'suspend', 'redis', 'postgres', 'replica', 'clock'];
const help = `Usage: npm run load -- [options]

Puts two replicas under the mixed traffic of many tenants, and checks what came of it.

  --tenants NUMBER    (default 1000)
  --seconds NUMBER    how long each scenario lasts (default 15)
  --workers NUMBER    requests under way at one time (default 32)
  --only NAMES        scenarios, with commas: ${scenarios.join(', ')}
  --json              print the figures as JSON
  --help              this text

Exit codes: 0 nothing was wrong, 1 something was, 2 it could not be run.
`;

const { values: options } = parseArgs({
  options: {
    tenants: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '15' },
    workers: { type: 'string', default: '32' },
    only: { type: 'string', default: scenarios.join(',') },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(help);
  process.exit(0);
}
const tenantCount = whole('tenants');
const seconds = whole('seconds');
const workers = whole('workers');
const chosen = options.only.split(',');
const unknown = chosen.filter((name) => !scenarios.includes(name));
if (unknown.length > 0) fail(`--only: there is no scenario \`${unknown[0]}\``);

function whole(name) {
  const number = Number(options[name]);
  if (!Number.isInteger(number) || number < 1) fail(`--${name}: \`${options[name]}\` is no number above 0`);
  return number;
}
function fail(text) {
  process.stderr.write(`load: ${text}\n`);
  process.exit(2);
}
const say = (text) => process.stderr.write(`${text}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Notes may be written and read by members; the PDP is asked on every call. */
const policies = {
  'note.yaml': `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  rules:
    - actions: [read, write]
      effect: EFFECT_ALLOW
      roles: [member]
      condition: { match: { expr: P.attr.tenant == R.attr.tenant && P.attr.tenant != "" } }
`,
  'mcp_server.yaml': `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: mcp_server
  version: default
  rules:
    - actions: ["*"]
      effect: EFFECT_ALLOW
      roles: [member]
`,
};

const plans = {
  pro: { limits: { requestsPerMinute: 1_000_000 }, quotas: {} },
  // What the exactness of limits is measured with.
  small: { limits: { requestsPerMinute: 100 }, quotas: {} },
  noisy: { limits: { requestsPerMinute: 300 }, quotas: {} },
  monthly: { limits: {}, quotas: { callsPerMonth: 50 } },
};
/** How long a replica may know less than the store does. */
const maxAgeMs = 5_000;
const audience = fixtures.audience;
const opened = [];
const findings = { all: [], add: (text) => findings.all.length < 50 && findings.all.push(text) };
const figures = {};

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-load-'));
  opened.push(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(policies)) await writeFile(join(folder, name), text);
  say('starting Redis, PostgreSQL, the PDP and an issuer');
  const redis = await startRedis({ persist: true, fsync: 'everysec' });
  opened.push(() => redis.stop());
  // As in production: what was acknowledged is on disk.
  const postgres = await startPostgres({ settings: { fsync: 'on', synchronous_commit: 'on' } });
  opened.push(() => postgres.stop());
  const issuer = await startIssuer('oidc');
  opened.push(() => issuer.close());
  const pdp = await cerbosSidecar({ policies: folder, pollMs: 0 });
  opened.push(() => pdp.close());

  const owner = new pg.Pool({ connectionString: postgres.url(), max: 4 });
  owner.on('error', () => undefined);
  opened.push(() => owner.end());
  await owner.query(`
    CREATE ROLE app LOGIN NOINHERIT;
    CREATE ROLE records LOGIN;
    GRANT CREATE ON DATABASE postgres TO records;
    CREATE SCHEMA unguarded;
    CREATE TABLE unguarded.notes (tenant_id text NOT NULL, id text NOT NULL, text text NOT NULL, PRIMARY KEY (tenant_id, id));
    CREATE SCHEMA app;
    GRANT USAGE ON SCHEMA app TO app;
    CREATE TABLE app.notes (tenant_id text NOT NULL, id text NOT NULL, text text NOT NULL, PRIMARY KEY (tenant_id, id));
    ${conformingSql({ schema: 'app', table: 'notes', role: 'app' })}`);
  const records = new pg.Pool({ connectionString: postgres.url('postgres', 'records'), max: 4 });
  records.on('error', () => undefined);
  opened.push(() => records.end());
  const trails = postgresTrails(records);
  await trails.migrate();
  await postgresUsage(records).install();

  const keyvRedis = new KeyvRedis(redis.url);
  const store = keyvStore(new Keyv({ store: keyvRedis }), { plans });
  opened.push(() => store.close());
  // What an administrator's replica would change tenants through.
  const invalidations = redisInvalidations({ client: keyvRedis.client });
  const told = registry({ store, invalidations });
  opened.push(() => invalidations.close());
  say(`making ${tenantCount} tenants`);
  const startedAt = performance.now();
  const tenants = Array.from({ length: tenantCount }, (_none, index) => `t${index}`);
  const special = {
    small: 'limited',
    noisy: 'loud',
    monthly: 'monthly',
    suspended: 'leaving',
    suspendedAloud: 'leaving-aloud',
  };
  const make = async (id, plan) => {
    await store.createTenant({
      id: tenantId(id),
      name: id,
      plan,
      settings: { identityProviders: [{ provider: 'oidc', tenantHint: `org-${id}` }] },
    });
    await store.putMember(tenantId(id), `oidc#user-${id}`, ['member']);
  };
  for (let at = 0; at < tenants.length; at += 20)
    await Promise.all(tenants.slice(at, at + 20).map((id) => make(id, 'pro')));
  await make(special.small, 'small');
  await make(special.noisy, 'noisy');
  await make(special.monthly, 'monthly');
  await make(special.suspended, 'pro');
  await make(special.suspendedAloud, 'pro');
  say(`  ${((performance.now() - startedAt) / tenants.length).toFixed(2)} ms each`);
  const tokens = new Map();
  for (const id of [...tenants, ...Object.values(special)])
    tokens.set(id, await issuer.token({ sub: `user-${id}`, org: `org-${id}`, aud: audience }));
  const signingKey = await generateCheckpointKey();
  const world = {
    redis,
    postgres,
    owner,
    records,
    trails,
    store,
    told: told.store,
    tenants,
    special,
    tokens,
    signingKey,
    replicas: [],
    /** What was acknowledged: note id by tenant. */
    written: new Map(),
    /** Tool calls that were answered with a result, by tenant. */
    answered: new Map(),
    unflushed: 0,
    agent: new Agent({ keepAlive: true, maxSockets: 512 }),
    config: {
      redis: redis.url,
      notes: postgres.url('postgres', 'app'),
      unguardedNotes: postgres.url(),
      records: postgres.url('postgres', 'records'),
      pdp: pdp.target,
      issuer: issuer.issuer,
      audience,
      keys: { keys: issuer.keys.map(({ publicJwk }) => publicJwk) },
      plans,
      maxAgeMs,
      signingKey,
    },
  };
  world.replicas = await Promise.all([startReplica(world), startReplica(world)]);
  return world;
}

async function startReplica(world, module = 'replica.mjs') {
  const child = fork(join(import.meta.dirname, module), [], {
    env: { ...process.env, LOAD_CONFIG: JSON.stringify(world.config) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  opened.push(() => child.kill('SIGKILL'));
  const port = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a replica ended at its start (${code})`)));
    child.once('message', (message) => resolve(message.port));
  });
  return { child, port };
}

/** One JSON-RPC request to one replica. Resolves with what came, also when nothing came. */
function send(world, replica, tenant, body) {
  const started = performance.now();
  return new Promise((resolve) => {
    const text = JSON.stringify(body);
    const request = httpRequest(
      {
        agent: world.agent,
        host: '127.0.0.1',
        port: replica.port,
        path: '/mcp',
        method: 'POST',
        timeout: 20_000,
        headers: {
          authorization: `Bearer ${world.tokens.get(tenant)}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-06-18',
          'content-length': Buffer.byteLength(text),
        },
      },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (received += chunk));
        response.on('error', () => resolve({ outcome: 'lost', ms: performance.now() - started }));
        response.on('end', () => {
          const ms = performance.now() - started;
          try {
            const line = received.startsWith('{') ? received : (/^data: (\{.*)$/m.exec(received)?.[1] ?? '');
            const message = JSON.parse(line);
            const code = message.error?.data?.code ?? (message.result?.isError ? 'tool_error' : undefined);
            resolve({ outcome: code ?? 'ok', text: line, retryAfter: response.headers['retry-after'], message, ms });
          } catch {
            resolve({
              outcome: response.statusCode < 400 ? 'lost' : `http_${response.statusCode}`,
              ms,
              text: received,
            });
          }
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', () => resolve({ outcome: 'lost', ms: performance.now() - started }));
    request.end(text);
  });
}

let ids = 0;
const call = (name, args) => ({ jsonrpc: '2.0', id: ++ids, method: 'tools/call', params: { name, arguments: args } });
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** One request of the mixed traffic, with its answer looked at. */
async function oneRequest(world, tally) {
  const tenant = pick(world.tenants);
  const own = world.written.get(tenant) ?? [];
  const dice = Math.random();
  const id = `n${++ids}`;
  let body;
  if (dice < 0.3 || own.length === 0) body = call('note_write', { id, text: `canary-${tenant}-${id}` });
  else if (dice < 0.6) body = call('note_read', { id: pick(own) });
  else if (dice < 0.75) {
    // Somebody else's note, by its id.
    const other = pick(world.tenants);
    body = call('note_read', { id: other === tenant ? 'none' : pick(world.written.get(other) ?? ['none']) });
  } else if (dice < 0.9) body = call('note_list', {});
  else body = { jsonrpc: '2.0', id: ++ids, method: 'tools/list', params: {} };
  const answer = await send(world, pick(world.replicas), tenant, body);
  tally.add(answer);
  if (answer.outcome === 'ok') {
    const name = body.params.name ?? body.method;
    world.answered.set(tenant, (world.answered.get(tenant) ?? 0) + 1);
    if (name === 'note_write') world.written.set(tenant, [...(world.written.get(tenant) ?? []), id]);
    for (const [, whose] of answer.text.matchAll(/canary-(t\d+)-/g))
      if (whose !== tenant) findings.add(`${tenant} was shown a note of ${whose}`);
    if (name === 'note_read' && own.includes(body.params.arguments.id) && !answer.text.includes(`canary-${tenant}-`))
      findings.add(`${tenant} was not shown its own note ${body.params.arguments.id}`);
  }
}

class Tally {
  outcomes = new Map();
  times = [];
  startedAt = performance.now();
  add({ outcome, ms }) {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (outcome === 'ok') this.times.push(ms);
  }
  figures() {
    const times = Float64Array.from(this.times).sort();
    const at = (share) =>
      Number((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN).toFixed(1));
    return {
      requestsPerSecond: Math.round((this.times.length * 1000) / (performance.now() - this.startedAt)),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      outcomes: Object.fromEntries([...this.outcomes].sort()),
    };
  }
}

/** Mixed traffic for a while; `during` runs at the same time. */
async function traffic(world, lasts = seconds * 1000, during = async () => undefined) {
  const tally = new Tally();
  const end = performance.now() + lasts;
  const work = Array.from({ length: workers }, async () => {
    while (performance.now() < end) {
      await oneRequest(world, tally);
      if (tally.outcomes.get('lost') > 1000) await sleep(5);
    }
  });
  await Promise.all([...work, during()]);
  return tally.figures();
}

async function run(world, name) {
  switch (name) {
    case 'unguarded':
      return unguarded(world);
    case 'steady':
      return traffic(world);
    case 'limits':
      return limits(world);
    case 'noisy':
      return noisy(world);
    case 'suspend':
      return suspend(world);
    case 'redis':
      return outage(world, async () => {
        await world.redis.kill();
        await sleep(2000);
        await world.redis.restart();
      });
    case 'postgres':
      return outage(world, async () => {
        await world.postgres.kill();
        await sleep(2000);
        await world.postgres.restart();
      });
    case 'replica':
      return outage(world, async () => {
        const [first] = world.replicas;
        first.child.kill('SIGKILL');
        world.replicas = world.replicas.slice(1);
        await sleep(2000);
        world.replicas.push(await startReplica(world));
      });
    case 'clock':
      return outage(world, async () => {
        for (const offsetMs of [3_600_000, -3_600_000, 0]) {
          world.replicas[0].child.send({ type: 'clock', offsetMs });
          await sleep((seconds * 1000) / 5);
        }
      });
  }
}

/** Traffic with a fault in its second quarter; at the end everything has to be well again. */
async function outage(world, fault) {
  const during = await traffic(world, seconds * 1000, async () => {
    await sleep((seconds * 1000) / 4);
    await fault();
  });
  const after = await traffic(world, 3_000);
  const strange = Object.keys(after.outcomes).filter((outcome) => outcome !== 'ok');
  if (strange.length > 0) findings.add(`not well again after the fault: ${JSON.stringify(after.outcomes)}`);
  return { during, after };
}

/** The same traffic on servers that nothing guards: what all that follows is to be compared with. */
async function unguarded(world) {
  const bare = await Promise.all([startReplica(world, 'unguarded.mjs'), startReplica(world, 'unguarded.mjs')]);
  const figures = await traffic({ ...world, replicas: bare, written: new Map(), answered: new Map() });
  for (const { child } of bare) child.send({ type: 'stop' });
  return figures;
}

/** As many requests pass on both replicas together as the tenant may send. */
async function limits(world) {
  const tally = new Tally();
  const burst = (tenant, count, body) =>
    Promise.all(
      Array.from({ length: count }, async (_none, index) => {
        const answer = await send(world, world.replicas[index % 2], tenant, body());
        tally.add(answer);
        return answer;
      }),
    );
  const answers = await burst(world.special.small, 300, () => call('note_list', {}));
  const passed = answers.filter(({ outcome }) => outcome === 'ok').length;
  if (passed !== 100) findings.add(`of 300 requests at a limit of 100 a minute ${passed} passed`);
  for (const { outcome, retryAfter } of answers)
    if (outcome === 'rate_limited' && !(Number(retryAfter) > 0 && Number(retryAfter) <= 61))
      findings.add(`Retry-After is \`${retryAfter}\``);
  const calls = await burst(world.special.monthly, 120, () => call('note_list', {}));
  const counted = calls.filter(({ outcome }) => outcome === 'ok').length;
  if (counted !== 50) findings.add(`of 120 calls at a quota of 50 a month ${counted} ran`);
  return { passedOf100: passed, ranOf50: counted, outcomes: Object.fromEntries(tally.outcomes) };
}

/** What a quiet tenant notices of a noisy one: its requests pass, as fast as before. */
async function noisy(world) {
  const quiet = async () => {
    const tally = new Tally();
    const end = performance.now() + (seconds * 1000) / 3;
    while (performance.now() < end) {
      tally.add(await send(world, pick(world.replicas), 't0', call('note_list', {})));
      await sleep(5);
    }
    return tally.figures();
  };
  const alone = await quiet();
  // A client that does not care for Retry-After, at 20 times what it may send; and as many as the machine takes.
  const noise = async (pauseMs) => {
    let loud = true;
    const tally = new Tally();
    const sending = Array.from({ length: workers }, async () => {
      while (loud) {
        tally.add(await send(world, pick(world.replicas), world.special.noisy, call('note_list', {})));
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    });
    const beside = await quiet();
    loud = false;
    await Promise.all(sending);
    const { ok, ...refused } = beside.outcomes;
    if (Object.keys(refused).length > 0)
      findings.add(`the quiet tenant was refused: ${JSON.stringify(refused)} of ${ok}`);
    return { quiet: beside, noise: tally.figures().outcomes };
  };
  return { alone, besideNoise: await noise(workers * 10), besideFlood: await noise(10) };
}

/** How long after its suspension a tenant is still let through, on either replica: told of it, and not told. */
async function suspend(world) {
  return {
    boundMs: maxAgeMs,
    toldEachReplicaMs: await suspended(world, world.special.suspendedAloud, world.told),
    notToldEachReplicaMs: await suspended(world, world.special.suspended, world.store),
  };
}

async function suspended(world, tenant, store) {
  for (const replica of world.replicas) await send(world, replica, tenant, call('note_list', {}));
  const since = performance.now();
  await store.updateTenant(tenantId(tenant), { status: { state: 'suspended' } });
  return Promise.all(
    world.replicas.map(async (replica) => {
      for (;;) {
        const { outcome } = await send(world, replica, tenant, call('note_list', {}));
        if (outcome === 'tenant_suspended') return Math.round(performance.now() - since);
        if (performance.now() - since > maxAgeMs + 2_000) {
          findings.add(`${tenant} is let through ${maxAgeMs} ms after its suspension: ${outcome}`);
          return Number.NaN;
        }
        await sleep(10);
      }
    }),
  );
}

/** What was lost: nothing that was acknowledged. */
async function afterwards(world) {
  const stopped = await Promise.all(
    world.replicas.map(
      ({ child }) =>
        new Promise((resolve) => {
          child.once('message', resolve);
          child.once('exit', () => resolve({ errors: [['a replica ended before it was told to', 1]] }));
          child.send({ type: 'stop' });
        }),
    ),
  );
  const { rows } = await world.owner.query('SELECT tenant_id, id, text FROM app.notes');
  const stored = new Map();
  for (const { tenant_id: tenant, id, text } of rows) {
    if (text !== `canary-${tenant}-${id}`) findings.add(`a row of ${tenant} holds ${text}`);
    stored.set(`${tenant}/${id}`, true);
  }
  let acknowledged = 0;
  for (const [tenant, list] of world.written)
    for (const id of list) {
      acknowledged++;
      if (!stored.has(`${tenant}/${id}`)) findings.add(`the acknowledged note ${id} of ${tenant} is lost`);
    }
  const { publicKey } = await checkpointSigner(world.signingKey);
  const startedAt = performance.now();
  const verification = await verifyTrail({
    records: world.trails.records(),
    checkpoints: world.trails.checkpoints(),
    heads: await world.trails.heads(),
    keys: [publicKey],
  });
  const verifiedMs = Math.round(performance.now() - startedAt);
  for (const finding of verification.findings) findings.add(`audit trail: ${JSON.stringify(finding)}`);
  // A call that was answered was decided on record before it ran.
  const decided = new Map();
  for (const { trail, count } of (
    await world.records.query(
      "SELECT trail, count(*)::int AS count FROM portcullis_audit.records WHERE type = 'decision' AND effect = 'allow' GROUP BY trail",
    )
  ).rows)
    decided.set(trail.replace('tenant:', ''), count);
  for (const [tenant, count] of world.answered)
    if ((decided.get(tenant) ?? 0) < count)
      findings.add(`${tenant}: ${count} calls were answered, ${decided.get(tenant)} are on record`);
  const counted = (await world.records.query('SELECT sum(allowed)::int AS allowed FROM portcullis.usage')).rows[0]
    ?.allowed;
  return {
    acknowledgedNotes: acknowledged,
    storedNotes: rows.length,
    auditRecords: verification.records,
    verifiedMs,
    answeredCalls: [...world.answered.values()].reduce((sum, count) => sum + count, 0),
    countedCalls: counted,
    replicas: stopped,
  };
}

try {
  const world = await start();
  for (const name of chosen) {
    say(`\n${name}`);
    figures[name] = await run(world, name);
    for (const [key, value] of Object.entries(figures[name]))
      say(`  ${key}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  }
  say('\nafterwards');
  figures.afterwards = await afterwards(world);
  for (const [key, value] of Object.entries(figures.afterwards)) say(`  ${key}: ${JSON.stringify(value)}`);
} finally {
  for (const close of opened.reverse())
    await Promise.resolve(close()).catch((error) => say(`closing: ${error.message}`));
}
if (options.json)
  process.stdout.write(
    `${JSON.stringify({ ok: findings.all.length === 0, figures, findings: findings.all }, null, 2)}\n`,
  );
for (const finding of findings.all) say(`WRONG: ${finding}`);
say(findings.all.length === 0 ? '\nNothing was wrong.' : `\n${findings.all.length} findings.`);
process.exit(findings.all.length === 0 ? 0 : 1);
