import { McpServer } from '@modelcontextprotocol/server';
import type { Gate } from '@portcullis/mcp';
import { z } from 'zod';

/** A note of one tenant, by its id. */
export type Notes = Map<string, string>;

/** A server with one tool. Nothing in it can be called without the gate. */
export function notesServer(gate: Gate<Notes>): McpServer {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  gate.tool(
    server,
    'note_read',
    {
      description: 'Read a note',
      inputSchema: z.object({ id: z.string() }),
      authorize: {
        kind: 'note',
        action: 'read',
        resource: ({ id }) => ({ id, attr: { public: id.startsWith('pub-') } }),
      },
    },
    ({ id }, ctx) => ctx.storage.get(id) ?? 'no such note',
  );
  return server;
}
