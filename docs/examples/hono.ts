import { getConnInfo } from '@hono/node-server/conninfo';
import type { Gate } from '@portcullis/mcp';
import { Hono } from 'hono';
import { notesServer, type Notes } from './notes.js';

/** A Hono application with a guarded MCP endpoint at `/mcp`. */
export function honoApp(gate: Gate<Notes>): Hono {
  const endpoint = gate.serve(() => notesServer(gate));
  const app = new Hono();
  app.get('/health', (c) => c.text('ok'));
  // The endpoint also answers for its own metadata document (RFC 9728), below /.well-known.
  app.all('/mcp', (c) => endpoint.fetch(c.req.raw, { peerAddress: getConnInfo(c).remote.address }));
  app.get('/.well-known/oauth-protected-resource/*', (c) => endpoint.fetch(c.req.raw));
  return app;
}
