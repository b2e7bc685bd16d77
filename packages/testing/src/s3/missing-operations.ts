import type { IncomingHttpHeaders } from 'node:http';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** What is used of Koa, on which s3rver is built. */
// eslint-disable-next-line @typescript-eslint/no-namespace -- the three belong together
export declare namespace Koa {
  interface Context {
    readonly method: string;
    readonly path: string;
    readonly query: Readonly<Record<string, string | undefined>>;
    readonly headers: IncomingHttpHeaders;
    readonly store: Store;
    params: Readonly<Record<string, string>>;
    status: number;
    type: string;
    body: unknown;
  }
  interface Store {
    readonly rootDirectory: string;
    getBucket(bucket: string): Promise<object | null>;
    getMetadata(bucket: string, key: string): Promise<{ readonly etag: string }>;
    existsObject(bucket: string, key: string): Promise<boolean>;
    listObjects(bucket: string, options: object): Promise<{ readonly objects: readonly Listed[] }>;
  }
  interface Listed {
    readonly key: string;
    readonly size: number;
    readonly lastModifiedDate: Date;
    readonly metadata: { readonly etag: string };
  }
  type Handler = (context: Context) => Promise<void>;
  type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;
}

/**
 * Answers what s3rver answers with `NotImplemented`, wrongly, or not at all; leaves the rest to it.
 *
 * @param deleteMany - s3rver’s own: it gets there past the signature, of which s3rver reads the path without its last
 * slash, while clients sign it as they send it
 */
export async function answerMissing(
  context: Koa.Context,
  next: () => Promise<void>,
  deleteMany: Koa.Handler,
): Promise<void> {
  const { method, path, query, store } = context;
  const [, bucket = '', ...segments] = decodeURIComponent(path).split('/');
  const key = segments.join('/');
  if (bucket === '' || (await store.getBucket(bucket)) === null) return next();
  if (key === '') {
    if (method === 'GET' && query['list-type'] === '2') return listObjects(context, bucket);
    if (method === 'GET' && 'uploads' in query) return listUploads(context, bucket);
    if (method === 'POST' && 'delete' in query) return deleteIn(context, bucket, deleteMany);
    return next();
  }
  if (method === 'DELETE' && query['uploadId'] !== undefined) return abortUpload(context, bucket, query['uploadId']);
  const completes = method === 'POST' && 'uploadId' in query;
  if (((method === 'PUT' && !('uploadId' in query)) || completes) && (await isPrecluded(context, bucket, key))) {
    fail(context, 412, 'PreconditionFailed');
    return;
  }
  return next();
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
async function isPrecluded({ headers, store }: Koa.Context, bucket: string, key: string): Promise<boolean> {
  const { 'if-none-match': noneMatch, 'if-match': match } = headers;
  if (noneMatch === undefined && match === undefined) return false;
  const there = await store.existsObject(bucket, key);
  if (noneMatch === '*') return there;
  return !there || (await store.getMetadata(bucket, key)).etag.replaceAll('"', '') !== match?.replaceAll('"', '');
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html: in the order of UTF-8, groups counted. */
async function listObjects(context: Koa.Context, bucket: string): Promise<void> {
  const { prefix = '', delimiter = '', 'start-after': after = '', 'continuation-token': token } = context.query;
  const start = token === undefined ? after : Buffer.from(token, 'base64url').toString();
  const most = Math.min(1000, Number(context.query['max-keys'] ?? 1000));
  const { objects } = await context.store.listObjects(bucket, { prefix });
  const sorted = [...objects].sort((one, two) => Buffer.compare(Buffer.from(one.key), Buffer.from(two.key)));
  const entries = new Map<string, Koa.Listed | undefined>();
  let truncated = false;
  let last = '';
  for (const object of sorted) {
    if (Buffer.compare(Buffer.from(object.key), Buffer.from(start)) <= 0) continue;
    const end = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    const name = end < 0 ? object.key : object.key.slice(0, end + delimiter.length);
    if (!entries.has(name) && entries.size >= most) {
      truncated = true;
      break;
    }
    entries.set(name, end < 0 ? object : undefined);
    last = object.key;
  }
  const encode =
    context.query['encoding-type'] === 'url'
      ? (text: string) => encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%20', '+')
      : (text: string) => text;
  context.body = {
    ListBucketResult: {
      Name: bucket,
      Prefix: encode(prefix),
      KeyCount: entries.size,
      MaxKeys: most,
      EncodingType: context.query['encoding-type'],
      IsTruncated: truncated,
      NextContinuationToken: truncated ? Buffer.from(last).toString('base64url') : undefined,
      Contents: [...entries.values()]
        .filter((object) => object !== undefined)
        .map(({ key, size, lastModifiedDate, metadata }) => ({
          Key: encode(key),
          LastModified: lastModifiedDate.toISOString(),
          ETag: metadata.etag,
          Size: size,
          StorageClass: 'STANDARD',
        })),
      CommonPrefixes: [...entries]
        .filter(([, object]) => object === undefined)
        .map(([name]) => ({ Prefix: encode(name) })),
    },
  };
}

async function deleteIn(context: Koa.Context, bucket: string, deleteMany: Koa.Handler): Promise<void> {
  context.params = { bucket };
  await deleteMany(context);
}

function uploadsOf({ store }: Koa.Context, bucket: string): string {
  return join(store.rootDirectory, bucket, '._S3rver_uploads');
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html, in one page. */
async function listUploads(context: Koa.Context, bucket: string): Promise<void> {
  const folder = uploadsOf(context, bucket);
  const ids = await readdir(folder).catch(() => []);
  const uploads = await Promise.all(
    ids.map(async (id) => ({ Key: await readFile(join(folder, id, 'key'), 'utf8'), UploadId: id })),
  );
  context.body = {
    ListMultipartUploadsResult: {
      Bucket: bucket,
      IsTruncated: false,
      Upload: uploads.filter(({ Key }) => Key.startsWith(context.query['prefix'] ?? '')),
    },
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html */
async function abortUpload(context: Koa.Context, bucket: string, id: string): Promise<void> {
  const ids: readonly string[] = await readdir(uploadsOf(context, bucket)).catch(() => []);
  if (!ids.includes(id)) {
    fail(context, 404, 'NoSuchUpload');
    return;
  }
  await rm(join(uploadsOf(context, bucket), id), { recursive: true });
  context.status = 204;
  context.body = null;
}

function fail(context: Koa.Context, status: number, code: string): void {
  context.status = status;
  context.type = 'application/xml';
  context.body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}
