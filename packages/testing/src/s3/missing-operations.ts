import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
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
    readonly req: IncomingMessage;
    status: number;
    type: string;
    body: unknown;
  }
  interface Store {
    readonly rootDirectory: string;
    getBucket(bucket: string): Promise<object | null>;
    putBucket(bucket: string): Promise<unknown>;
    deleteBucket(bucket: string): Promise<void>;
    getMetadata(bucket: string, key: string): Promise<{ readonly etag: string }>;
    existsObject(bucket: string, key: string): Promise<boolean>;
    deleteObject(bucket: string, key: string): Promise<void>;
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

/** Answers what s3rver answers with `NotImplemented`, wrongly, or not at all; leaves the rest to it. */
export function answerMissing(pageLimit: number): Koa.Middleware {
  return (context, next) => route(context, next, pageLimit);
}

async function route(context: Koa.Context, next: () => Promise<void>, pageLimit: number): Promise<void> {
  const { method, path, query, store } = context;
  const [, bucket = '', ...segments] = decodeURIComponent(path).split('/');
  const key = segments.join('/');
  if (bucket === '') return next();
  if (method === 'PUT' && key === '') return createBucket(context, bucket);
  if ((await store.getBucket(bucket)) === null) return fail(context, 404, 'NoSuchBucket');
  if (key === '') {
    if (method === 'HEAD') return ok(context);
    if (method === 'DELETE') return deleteBucket(context, bucket);
    if (method === 'GET' && query['list-type'] === '2') return listObjects(context, bucket, pageLimit);
    if (method === 'GET' && 'uploads' in query) return listUploads(context, bucket);
    if (method === 'POST' && 'delete' in query) return deleteObjects(context, bucket);
    return next();
  }
  if (method === 'DELETE' && query['uploadId'] !== undefined) return abortUpload(context, bucket, query['uploadId']);
  const completes = method === 'POST' && 'uploadId' in query;
  const writes = completes || (method === 'PUT' && !('uploadId' in query));
  return writes && (await isPrecluded(context, bucket, key)) ? fail(context, 412, 'PreconditionFailed') : next();
}

// What is of a bucket is answered here, too: of its path s3rver signs all but the last slash, and clients sign that.

async function createBucket(context: Koa.Context, bucket: string): Promise<void> {
  if ((await context.store.getBucket(bucket)) !== null) return fail(context, 409, 'BucketAlreadyOwnedByYou');
  await context.store.putBucket(bucket);
  return ok(context);
}

async function deleteBucket(context: Koa.Context, bucket: string): Promise<void> {
  const { objects } = await context.store.listObjects(bucket, {});
  if (objects.length > 0) return fail(context, 409, 'BucketNotEmpty');
  await context.store.deleteBucket(bucket);
  context.status = 204;
  context.body = null;
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
async function listObjects(context: Koa.Context, bucket: string, pageLimit: number): Promise<void> {
  const { prefix = '', delimiter = '', 'start-after': after = '', 'continuation-token': token } = context.query;
  const start = token === undefined ? after : Buffer.from(token, 'base64url').toString();
  const most = Math.min(pageLimit, Number(context.query['max-keys'] ?? 1000));
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
  answer(context, 'ListBucketResult', {
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
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html: s3rver escapes keys twice. It trims them, as others do. */
async function deleteObjects(context: Koa.Context, bucket: string): Promise<void> {
  let body = '';
  for await (const chunk of context.req.setEncoding('utf8')) body += String(chunk);
  // No characters of XML: https://www.w3.org/TR/xml/#charsets
  if (/[\uFFFE\uFFFF]/.test(body)) return fail(context, 400, 'MalformedXML');
  const keys = [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => unescaped(key).trim());
  for (const key of keys)
    if (await context.store.existsObject(bucket, key)) await context.store.deleteObject(bucket, key);
  answer(context, 'DeleteResult', { Deleted: keys.map((key) => ({ Key: key })) });
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
  answer(context, 'ListMultipartUploadsResult', {
    Bucket: bucket,
    IsTruncated: false,
    Upload: uploads.filter(({ Key }) => Key.startsWith(context.query['prefix'] ?? '')),
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html */
async function abortUpload(context: Koa.Context, bucket: string, id: string): Promise<void> {
  const ids: readonly string[] = await readdir(uploadsOf(context, bucket)).catch(() => []);
  if (!ids.includes(id)) return fail(context, 404, 'NoSuchUpload');
  await rm(join(uploadsOf(context, bucket), id), { recursive: true });
  context.status = 204;
  context.body = null;
}

type Xml = string | number | boolean | undefined | readonly Xml[] | { readonly [name: string]: Xml };

function ok(context: Koa.Context): Promise<void> {
  context.status = 200;
  context.body = '';
  return Promise.resolve();
}

function fail(context: Koa.Context, status: number, code: string): Promise<void> {
  context.status = status;
  answer(context, 'Error', { Code: code, Message: code });
  return Promise.resolve();
}

/** As text: what is an object is made XML by s3rver, which escapes it twice. */
function answer(context: Koa.Context, root: string, value: Xml): void {
  context.type = 'application/xml';
  context.body = `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, value)}`;
}

function element(name: string, value: Xml): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return (value as readonly Xml[]).map((one) => element(name, one)).join('');
  if (typeof value !== 'object') return `<${name}>${escaped(String(value))}</${name}>`;
  const content = Object.entries(value).map(([inner, one]) => element(inner, one));
  return `<${name}>${content.join('')}</${name}>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => `&#${String(mark.charCodeAt(0))};`);
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(#x?)?(\w+);/gi, (all, number: string | undefined, value: string) => {
    if (number === undefined) return named[value] ?? all;
    return String.fromCodePoint(parseInt(value, number.length === 2 ? 16 : 10));
  });
}
