// One replica of a service: a guarded MCP server over HTTP, with tenants and limits in Redis, and notes, usage and the
// audit trail in PostgreSQL. Started by main.mjs, which tells it where its servers are.
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import KeyvRedis from '@keyv/redis';
import { McpServer } from '@modelcontextprotocol/server';
import { createClient } from '@redis/client';
import { Keyv } from 'keyv';
import pg from 'pg';
import { z } from 'zod';
import { auditTrail, buffered, checkpointSigner } from '@portcullis/audit';
import { postgresTrails } from '@portcullis/audit/postgres';
import { oidc, staticKeys, verifier } from '@portcullis/claims';
import { limiter, usageTracker } from '@portcullis/limits';
import { postgresUsage } from '@portcullis/limits/postgres';
import { redisLimits } from '@portcullis/limits/redis';
import { portcullis } from '@portcullis/mcp';
import { cerbos } from '@portcullis/pdp/cerbos';
import { rowLevelSecurity } from '@portcullis/storage/postgres';
import { registry, resolver } from '@portcullis/tenants';
import { keyvStore } from '@portcullis/tenants/keyv';
import { redisInvalidations } from '@portcullis/tenants/redis';

const config = JSON.parse(process.env.LOAD_CONFIG ?? '{}');
let clockOffset = 0;
const clock = () => Date.now() + clockOffset;
const errors = new Map();
const onError = (error) => {
  const text = error instanceof Error ? error.message : String(error);
  errors.set(text, (errors.get(text) ?? 0) + 1);
};

const redisOptions = { url: config.redis, disableOfflineQueue: true, socket: { reconnectStrategy: () => 100 } };
const redis = createClient(redisOptions);
redis.on('error', onError);
await redis.connect();
const keyvRedis = new KeyvRedis(redisOptions);
const pool = new pg.Pool({ connectionString: config.notes, max: 20 });
pool.on('error', onError);
const records = new pg.Pool({ connectionString: config.records, max: 10 });
records.on('error', onError);

const invalidations = redisInvalidations({ client: keyvRedis.client, onError });
const tenants = registry({
  store: keyvStore(new Keyv({ store: keyvRedis }), { plans: config.plans }),
  invalidations,
  maxAgeMs: config.maxAgeMs,
  clock,
  onError,
});
const rls = rowLevelSecurity(pool, {});
await rls.verify();
const limits = limiter({ store: redisLimits(redis), plans: config.plans, onError, clock });
const usage = usageTracker({ sink: postgresUsage(records), flushIntervalMs: 500, clock, onError });
const trails = postgresTrails(records);
const trail = auditTrail({
  store: trails,
  signer: await checkpointSigner(config.signingKey),
  clock,
  onError,
});
const audit = buffered(trail, { maxEntries: 10_000, whenFull: 'block', timeoutMs: 5_000 });
const pdp = cerbos(config.pdp);

const gate = portcullis({
  identity: verifier(
    [
      oidc({
        name: 'oidc',
        claims: { tenant: 'org' },
        issuer: config.issuer,
        audience: config.audience,
        keys: staticKeys(config.keys),
      }),
    ],
    { clock },
  ),
  tenants: resolver({ registry: tenants }),
  pdp,
  audit,
  limiter: limits,
  usage,
  storage: (context) => ({ run: (work) => rls.withTenant(context, work) }),
  resource: config.audience,
  authorizationServers: [config.issuer],
  onError,
  clock,
});

function server() {
  const made = new McpServer({ name: 'notes', version: '1.0.0' });
  const tool = (name, action, schema, handler) =>
    gate.tool(
      made,
      name,
      { inputSchema: schema, authorize: { kind: 'note', action, resource: ({ id }) => ({ id: id ?? '*' }) } },
      handler,
    );
  tool('note_write', 'write', z.object({ id: z.string(), text: z.string() }), async ({ id, text }, ctx) => {
    await ctx.storage.run((sql) => sql.query('INSERT INTO app.notes (id, text) VALUES ($1, $2)', [id, text]));
    return { id };
  });
  tool('note_read', 'read', z.object({ id: z.string() }), async ({ id }, ctx) => {
    const { rows } = await ctx.storage.run((sql) => sql.query('SELECT id, text FROM app.notes WHERE id = $1', [id]));
    return { notes: rows };
  });
  tool('note_list', 'read', z.object({}), async (_args, ctx) => {
    const { rows } = await ctx.storage.run((sql) =>
      sql.query('SELECT id, text FROM app.notes ORDER BY id DESC LIMIT 20'),
    );
    return { notes: rows };
  });
  return made;
}

const endpoint = gate.serve(server);
const http = createServer(
  getRequestListener((request, { incoming }) =>
    endpoint.fetch(request, { peerAddress: incoming.socket.remoteAddress }),
  ),
);
http.keepAliveTimeout = 60_000;
await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));

process.on('message', async (message) => {
  switch (message.type) {
    case 'clock':
      clockOffset = message.offsetMs;
      break;
    case 'stop': {
      await new Promise((resolve) => {
        http.close(resolve);
        http.closeIdleConnections();
        setTimeout(() => http.closeAllConnections(), 1000).unref();
      });
      await endpoint.close();
      const unflushed = (await usage.close()).length;
      await audit.close();
      await tenants.store.close();
      process.send({ type: 'stopped', unflushed, errors: [...errors], rssBytes: process.memoryUsage().rss });
      process.exit(0);
    }
  }
});
process.send({ type: 'ready', port: http.address().port });
