// The yardstick of main.mjs: the same tools over HTTP as a team writes them first. The token is verified, each query
// names the tenant, and nothing stands between: no engine is asked, nothing is limited, counted or recorded.
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { createLocalJWKSet, jwtVerify } from 'jose';
import pg from 'pg';
import { z } from 'zod';

const config = JSON.parse(process.env.LOAD_CONFIG ?? '{}');
const pool = new pg.Pool({ connectionString: config.unguardedNotes, max: 20 });
const keys = createLocalJWKSet(config.keys);

function server(tenant) {
  const made = new McpServer({ name: 'notes', version: '1.0.0' });
  const text = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
  made.registerTool(
    'note_write',
    { inputSchema: z.object({ id: z.string(), text: z.string() }) },
    async ({ id, text: body }) => {
      await pool.query('INSERT INTO unguarded.notes (tenant_id, id, text) VALUES ($1, $2, $3)', [tenant, id, body]);
      return text({ id });
    },
  );
  made.registerTool('note_read', { inputSchema: z.object({ id: z.string() }) }, async ({ id }) => {
    const values = [tenant, id];
    const { rows } = await pool.query('SELECT id, text FROM unguarded.notes WHERE tenant_id = $1 AND id = $2', values);
    return text({ notes: rows });
  });
  made.registerTool('note_list', { inputSchema: z.object({}) }, async () => {
    const query = 'SELECT id, text FROM unguarded.notes WHERE tenant_id = $1 ORDER BY id DESC LIMIT 20';
    const { rows } = await pool.query(query, [tenant]);
    return text({ notes: rows });
  });
  return made;
}

const handler = createMcpHandler(({ authInfo }) => server(authInfo.extra.tenant), { legacy: 'stateless' });
const http = createServer(
  getRequestListener(async (request) => {
    const token = (request.headers.get('authorization') ?? '').slice('Bearer '.length);
    const { payload } = await jwtVerify(token, keys, { issuer: config.issuer, audience: config.audience });
    const extra = { tenant: payload.org };
    return handler.fetch(request, { authInfo: { token, clientId: 'load', scopes: [], extra } });
  }),
);
http.keepAliveTimeout = 60_000;
await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
process.on('message', async () => {
  http.close();
  http.closeAllConnections();
  await pool.end();
  process.exit(0);
});
process.send({ type: 'ready', port: http.address().port });
