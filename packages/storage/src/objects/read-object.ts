import { GetObjectCommand, HeadObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { refused, unavailable } from '../access.js';
import { boundedCall, boundedLookup, saysError } from './bounded-call.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import type { ObjectCallOptions, ObjectHead, StoredObject, StreamedObject } from './tenant-objects.js';

/** All of an object. */
export async function getObject(
  backend: ObjectBackend,
  key: string,
  options?: ObjectCallOptions,
): Promise<StoredObject | undefined> {
  const Key = backend.place.full(key);
  return boundedLookup(boundsOf(backend, options), async (signal) => {
    const answer = await backend.client.send(new GetObjectCommand({ ...backend.place.target, Key }), {
      abortSignal: signal,
    });
    const reader = readerOf(answer);
    const end = (): void => void reader.cancel().catch(() => undefined);
    signal.addEventListener('abort', end, { once: true });
    try {
      const head = headOf(key, answer);
      if (head.sizeBytes > backend.maxGetBytes)
        throw refused(
          `the object has ${String(head.sizeBytes)} bytes, more than \`maxGetBytes\`: read it by \`getStream\``,
        );
      return { ...head, body: await readAll(reader, head.sizeBytes) };
    } catch (error) {
      end();
      throw error;
    }
  });
}

/** An object as it comes. */
export async function getObjectStream(
  backend: ObjectBackend,
  key: string,
  options?: ObjectCallOptions,
): Promise<StreamedObject | undefined> {
  const Key = backend.place.full(key);
  const bounds = boundsOf(backend, options);
  const answer = await boundedLookup(bounds, (signal) =>
    backend.client.send(new GetObjectCommand({ ...backend.place.target, Key }), { abortSignal: signal }),
  );
  if (answer === undefined) return undefined;
  const reader = readerOf(answer);
  const head = headOf(key, answer);
  let left = head.sizeBytes;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await boundedCall(bounds, () => reader.read());
        left -= value?.byteLength ?? 0;
        if (left < 0 || (done && left !== 0)) throw cutShort(head.sizeBytes);
        if (value !== undefined) controller.enqueue(value);
        if (done) controller.close();
      } catch (error) {
        controller.error(error);
        await reader.cancel().catch(() => undefined);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { ...head, body };
}

/** An object without its content. */
export async function headObject(
  backend: ObjectBackend,
  key: string,
  options?: ObjectCallOptions,
): Promise<ObjectHead | undefined> {
  const Key = backend.place.full(key);
  const head = await boundedCall(boundsOf(backend, options), async (signal) => {
    try {
      const answer = await backend.client.send(new HeadObjectCommand({ ...backend.place.target, Key }), {
        abortSignal: signal,
      });
      return headOf(key, answer);
    } catch (cause) {
      if (saysError(cause, 'NotFound', 404)) return undefined;
      throw cause;
    }
  });
  if (head !== undefined) return head;
  // The answer to HEAD has no body that would tell a missing key from a missing bucket: GET does.
  const there = await getObjectStream(backend, key, options);
  if (there === undefined) return undefined;
  const { body, ...rest } = there;
  await body.cancel();
  return rest;
}

type Answer = Pick<
  GetObjectCommandOutput,
  'ContentLength' | 'ETag' | 'LastModified' | 'ContentType' | 'Metadata' | 'ContentRange'
>;

function headOf(key: string, answer: Answer): ObjectHead {
  const { ContentLength, ETag, LastModified, ContentType, Metadata = {} } = answer;
  if (ContentLength === undefined || ETag === undefined || LastModified === undefined)
    throw unavailable(undefined, 'the server described an object without a size, an ETag or a time');
  return {
    key,
    sizeBytes: ContentLength,
    etag: ETag,
    modifiedAt: LastModified.getTime(),
    contentType: ContentType,
    metadata: Metadata,
  };
}

function readerOf({ Body }: GetObjectCommandOutput): ReadableStreamDefaultReader<Uint8Array> {
  if (Body === undefined) throw unavailable(undefined, 'the server answered without a body');
  // The client’s type says nothing of the chunks, which are bytes in all of its handlers.
  return (Body.transformToWebStream() as ReadableStream<Uint8Array>).getReader();
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>, size: number): Promise<Uint8Array> {
  const body = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.byteLength > size) throw cutShort(size);
    body.set(value, at);
    at += value.byteLength;
  }
  if (at !== size) throw cutShort(size);
  return body;
}

function cutShort(size: number): Error {
  return unavailable(undefined, `the server did not send the ${String(size)} bytes that it had announced`);
}
