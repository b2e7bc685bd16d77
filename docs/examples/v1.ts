import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { Gate } from '@portcullis/mcp';
import { serveV1, toolV1, type EndpointV1 } from '@portcullis/mcp/v1';
import { z } from 'zod';
import type { Notes } from './notes.js';

/** A server of the v1 SDK behind the same gate. */
export function notesV1(gate: Gate<Notes>): EndpointV1 {
  return serveV1(gate, () => {
    const server = new McpServer({ name: 'notes', version: '1.0.0' });
    toolV1(
      gate,
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
  });
}
