import { toNodeHandler } from '@modelcontextprotocol/node';
import type { Gate } from '@portcullis/mcp';
import express, { type Express, type Request, type Response } from 'express';
import { notesServer, type Notes } from './notes.js';

/** An Express application with a guarded MCP endpoint at `/mcp`. */
export function expressApp(gate: Gate<Notes>): Express {
  const endpoint = gate.serve(() => notesServer(gate));
  const mcp = (req: Request, res: Response): Promise<void> =>
    toNodeHandler({
      fetch: (request) => endpoint.fetch(request, { peerAddress: req.socket.remoteAddress }),
    })(req, res);
  const app = express();
  app.get('/health', (_req, res) => void res.send('ok'));
  // Mount it before any body parser: the gate reads the body itself, and refuses what is ambiguous in it.
  app.all('/mcp', mcp);
  app.get('/.well-known/oauth-protected-resource/mcp', mcp);
  return app;
}
