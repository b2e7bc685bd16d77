import { PutObjectCommand } from '@aws-sdk/client-s3';
import { refused, unavailable } from '../access.js';
import { boundedCall } from './bounded-call.js';
import { abortMultipart, completeMultipart, createMultipart, maxParts, putPart } from './multipart.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import { describing, onCondition } from './object-headers.js';
import { partsOf } from './parts-of.js';
import type { ObjectContent, PutObjectOptions, UploadedPart } from './tenant-objects.js';

/** Writes an object: in one request when all of it is there or fits into one part, in parts otherwise. */
export async function putObject(
  backend: ObjectBackend,
  key: string,
  content: ObjectContent,
  options: PutObjectOptions = {},
): Promise<{ readonly etag: string }> {
  const full = backend.place.full(key);
  describing(options);
  onCondition(options);
  if (typeof content === 'string') return putWhole(backend, full, Buffer.from(content), options);
  if (content instanceof Uint8Array) return putWhole(backend, full, content, options);
  if (!(content instanceof ReadableStream)) throw refused('the content must be bytes, text or a web stream of bytes');
  const parts = partsOf(content, { partSizeBytes: backend.partSizeBytes, ...boundsOf(backend, options) });
  try {
    const first = await parts.next();
    if (first.done === true) return await putWhole(backend, full, new Uint8Array(), options);
    const second = await parts.next();
    if (second.done === true) return await putWhole(backend, full, first.value, options);
    return await putParts(backend, full, [first.value, second.value], parts, options);
  } finally {
    await parts.return(undefined);
  }
}

async function putWhole(
  backend: ObjectBackend,
  full: string,
  body: Uint8Array,
  options: PutObjectOptions,
): Promise<{ readonly etag: string }> {
  const { ETag } = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(
      new PutObjectCommand({
        ...backend.place.target,
        ...describing(options),
        ...onCondition(options),
        Key: full,
        Body: body,
        ContentLength: body.byteLength,
      }),
      { abortSignal: signal },
    ),
  );
  if (ETag === undefined) throw unavailable(undefined, 'the server stored an object without an ETag');
  return { etag: ETag };
}

async function putParts(
  backend: ObjectBackend,
  full: string,
  read: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
  options: PutObjectOptions,
): Promise<{ readonly etag: string }> {
  const upload = await createMultipart(backend, full, options);
  try {
    const done: UploadedPart[] = [];
    for (const part of read) done.push(await putPart(upload, done.length + 1, part, options));
    for await (const part of rest) {
      if (done.length >= maxParts) throw refused(`the content has more than ${String(maxParts)} parts`);
      done.push(await putPart(upload, done.length + 1, part, options));
    }
    return await completeMultipart(upload, done, options);
  } catch (error) {
    // The caller’s signal has perhaps ended the upload; the parts are dropped all the same. What went wrong is told,
    // and not that the parts could not be dropped on top of it.
    await abortMultipart(upload).catch(() => undefined);
    throw error;
  }
}
