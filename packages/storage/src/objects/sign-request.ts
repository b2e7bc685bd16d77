import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { refused, unavailable } from '../access.js';
import { boundedCall } from './bounded-call.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import { headerValue, onCondition } from './object-headers.js';
import type { SignedGetOptions, SignedPutOptions, SignedRequest } from './tenant-objects.js';

/** A URL that reads exactly one object. */
export async function signGet(backend: ObjectBackend, key: string, options: SignedGetOptions): Promise<SignedRequest> {
  const { contentDisposition, contentType } = options;
  const command = new GetObjectCommand({
    ...backend.place.target,
    Key: backend.place.full(key),
    ...(contentDisposition === undefined
      ? {}
      : { ResponseContentDisposition: headerValue('contentDisposition', contentDisposition) }),
    ...(contentType === undefined ? {} : { ResponseContentType: headerValue('contentType', contentType) }),
  });
  const { getSignedUrl } = await signer();
  return sign(backend, { method: 'GET', key, headers: {}, ...options }, (how) =>
    getSignedUrl(backend.client, command, how),
  );
}

/** A URL that writes exactly one object, of one type and size. */
export async function signPut(backend: ObjectBackend, key: string, options: SignedPutOptions): Promise<SignedRequest> {
  const { contentType, contentLengthBytes, ifNoneMatch } = options;
  if (!Number.isSafeInteger(contentLengthBytes) || contentLengthBytes < 0)
    throw refused('contentLengthBytes must be a whole number of bytes');
  const headers = {
    'content-type': headerValue('contentType', contentType),
    ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
  };
  const command = new PutObjectCommand({
    ...backend.place.target,
    ...onCondition({ ifNoneMatch }),
    Key: backend.place.full(key),
    ContentType: contentType,
    ContentLength: contentLengthBytes,
  });
  withoutChecksumOfNothing(command);
  const { getSignedUrl } = await signer();
  return sign(backend, { method: 'PUT', key, headers, ...options }, (how) =>
    getSignedUrl(backend.client, command, how),
  );
}

interface ToSign {
  readonly method: 'GET' | 'PUT';
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresInMs: number;
}

type Signer = (how: {
  readonly expiresIn: number;
  readonly signingDate: Date;
  readonly signableHeaders: Set<string>;
  readonly unhoistableHeaders: Set<string>;
}) => Promise<string>;

/** Who signs nothing does not need it. */
const signer = () => import('@aws-sdk/s3-request-presigner');

async function sign(backend: ObjectBackend, toSign: ToSign, signed: Signer): Promise<SignedRequest> {
  const { method, headers, expiresInMs } = toSign;
  requireExpiry(expiresInMs, backend.maxExpiresInMs);
  // The signature tells the time in whole seconds.
  const signedAt = Math.floor(Date.now() / 1000) * 1000;
  // The names of the headers that have to be sent as they are.
  const bound = method === 'PUT' ? [...Object.keys(headers), 'content-length'] : [];
  const url = await boundedCall(boundsOf(backend), () =>
    signed({
      expiresIn: expiresInMs / 1000,
      signingDate: new Date(signedAt),
      signableHeaders: new Set(['host', ...bound]),
      unhoistableHeaders: new Set(bound),
    }),
  );
  requireBound(new URL(url), backend, toSign, bound);
  return { method, url, headers, expiresAt: signedAt + expiresInMs };
}

/** AWS allows seven days: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
function requireExpiry(expiresInMs: number, maxExpiresInMs: number): void {
  if (!Number.isSafeInteger(expiresInMs / 1000) || expiresInMs < 1000)
    throw refused('expiresInMs must be whole seconds, and at least one');
  if (expiresInMs > maxExpiresInMs) throw refused(`expiresInMs is at most ${String(maxExpiresInMs)} here`);
}

/**
 * The client adds the checksum of the body that it sees, and it sees none: what is uploaded later would not match it.
 *
 * @see https://github.com/aws/aws-sdk-js-v3/issues/6818
 */
function withoutChecksumOfNothing(command: PutObjectCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      const headers: unknown =
        typeof request === 'object' && request !== null && 'headers' in request && request.headers;
      if (typeof headers === 'object' && headers !== null)
        for (const name of Object.keys(headers))
          if (/^x-amz-(?:checksum-|sdk-checksum-)/i.test(name)) Reflect.deleteProperty(headers, name);
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'withoutChecksumOfNothing' },
  );
}

/** What leaves here has been looked at: one key, an end, and every header that was to be bound is signed. */
function requireBound(url: URL, backend: ObjectBackend, { key, expiresInMs }: ToSign, bound: readonly string[]): void {
  const { place } = backend;
  const path = decodeURIComponent(url.pathname);
  const full = place.full(key);
  const inPath = path === `/${place.bucket}/${full}` || path.endsWith(`/${place.bucket}/${full}`);
  const inHost = url.hostname.startsWith(`${place.bucket}.`) && path.endsWith(`/${full}`);
  const query = url.searchParams;
  const signed = (query.get('X-Amz-SignedHeaders') ?? '').split(';');
  if (
    !(inPath || inHost) ||
    query.get('X-Amz-Expires') !== String(expiresInMs / 1000) ||
    !query.has('X-Amz-Signature') ||
    !['host', ...bound].every((header) => signed.includes(header))
  )
    throw unavailable(undefined, 'the signer did not bind the key, the expiry or a header of the request');
}
