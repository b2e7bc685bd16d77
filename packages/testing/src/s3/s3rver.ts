import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { answerMissing, type Koa } from './missing-operations.js';

/** What is used of s3rver, which has no types. */
interface S3rver {
  readonly middleware: Koa.Middleware[];
  readonly httpServer: Server | undefined;
  run(): Promise<unknown>;
}

interface ObjectController {
  putObjectCopy: Koa.Handler;
}

const require = createRequire(import.meta.url);
const repaired = new WeakSet();

/** A server that is not running yet. @throws Error when `@20minutes/s3rver` is not installed */
export function newS3rver(pageLimit: number, options: object): S3rver {
  const Constructor = load('@20minutes/s3rver') as new (options: object) => S3rver;
  const controller = load('@20minutes/s3rver/lib/controllers/object') as ObjectController;
  repairCopy(controller);
  const server = new Constructor(options);
  // Before the router, which is the last.
  server.middleware.splice(server.middleware.length - 1, 0, answerMissing(pageLimit));
  return server;
}

function load(name: string): unknown {
  try {
    return require(name);
  } catch (cause) {
    throw new Error('the S3 server is not installed: `npm install --save-dev @20minutes/s3rver`', { cause });
  }
}

/**
 * s3rver reads `x-amz-copy-source` with `decodeURI`, which leaves `%2B`, `%3F` and others as they are; S3 decodes all.
 * It is done after the signature has been checked.
 */
function repairCopy(controller: ObjectController): void {
  if (repaired.has(controller)) return;
  repaired.add(controller);
  const copy = controller.putObjectCopy;
  controller.putObjectCopy = (context) => {
    const source = context.headers['x-amz-copy-source'];
    if (typeof source === 'string') context.headers['x-amz-copy-source'] = encodeURI(decodeURIComponent(source));
    return copy(context);
  };
}
