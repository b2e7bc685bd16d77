import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { newS3rver } from './s3/s3rver.js';

/** How a server of a test's own is started. */
export interface S3ServerOptions {
  /** Buckets that are there from the beginning. @defaultValue none */
  readonly buckets?: readonly string[] | undefined;
  /** The most keys in one page of a listing, whatever the client asks for. @defaultValue 1000, as S3 has it */
  readonly pageLimit?: number | undefined;
}

/** An S3 server of a test's own. */
export interface S3Server {
  /** For the client's `endpoint`, with `forcePathStyle: true`. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Drops every connection and answers no more, as a crash would. */
  kill(): Promise<void>;
  /** Ends the server and deletes its data. */
  stop(): Promise<void>;
}

/**
 * Starts an S3 server on a free loopback port, in a temporary folder: the npm package `@20minutes/s3rver`, in this
 * process, with what it lacks of the S3 API's documented behaviour added (conditional writes, paged listings in key
 * order, encoded copy sources and listings, and the end and the listing of multipart uploads).
 *
 * It does not understand checksums in trailers (`aws-chunked`): a client that sends streams needs
 * `requestChecksumCalculation: 'WHEN_REQUIRED'`.
 *
 * @example
 * ```ts
 * import { startS3 } from '@portcullis/testing/s3';
 *
 * const server = await startS3({ buckets: ['documents'] });
 * console.log(server.endpoint.startsWith('http://127.0.0.1:')); // prints: true
 * await server.stop();
 * ```
 */
export async function startS3({ buckets = [], pageLimit = 1000 }: S3ServerOptions = {}): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'portcullis-s3-'));
  const port = await freePort();
  const server = newS3rver(pageLimit, {
    address: '127.0.0.1',
    port,
    directory,
    silent: true,
    vhostBuckets: false,
    configureBuckets: buckets.map((name) => ({ name })),
  });
  await server.run();
  const kill = async (): Promise<void> => {
    const listening = server.httpServer;
    if (listening?.listening !== true) return;
    const closed = new Promise((resolve) => listening.close(resolve));
    listening.closeAllConnections();
    await closed;
  };
  return {
    endpoint: `http://127.0.0.1:${String(port)}`,
    region: 'us-east-1',
    // The one account that s3rver knows.
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    kill,
    async stop() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
