import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a local issuer misbehaves; `undefined` when it does not. */
export type Misbehaviour = 'down' | 'slow' | 'garbage' | 'redirect' | undefined;

/** A small HTTP server on loopback that serves JSON documents by path. */
export interface DocumentServer {
  readonly origin: string;
  /** How often each path was asked for. */
  readonly requests: ReadonlyMap<string, number>;
  misbehave(how: Misbehaviour): void;
  close(): Promise<void>;
}

/**
 * Serves documents over real HTTP on 127.0.0.1.
 *
 * @param documents - gives the documents by path, once the origin is known
 * @param port - a fixed port; any free one without
 */
export async function serveDocuments(
  documents: (path: string, origin: string) => unknown,
  port = 0,
): Promise<DocumentServer> {
  const requests = new Map<string, number>();
  const slow = new Set<NodeJS.Timeout>();
  let how: Misbehaviour;
  let origin = '';
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.set(path, (requests.get(path) ?? 0) + 1);
    if (how === 'slow')
      slow.add(
        setTimeout(() => {
          answer(response, 200, documents(path, origin));
        }, 60_000),
      );
    else if (how === 'down') request.socket.destroy();
    else if (how === 'garbage') answer(response, 200, '<html>not json</html>');
    else if (how === 'redirect') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else {
      const document = documents(path, origin);
      answer(response, document === undefined ? 404 : 200, document ?? { error: 'not found' });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return {
    origin,
    requests,
    misbehave(next) {
      how = next;
    },
    close: () =>
      new Promise((resolve) => {
        for (const timer of slow) clearTimeout(timer);
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}

function answer(response: ServerResponse, status: number, document: unknown): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(typeof document === 'string' ? document : JSON.stringify(document));
}
