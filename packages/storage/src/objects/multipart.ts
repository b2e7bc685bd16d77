import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { unavailable } from '../access.js';
import { boundedCall, saysError } from './bounded-call.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import { describing, onCondition } from './object-headers.js';
import type { ObjectCallOptions, ObjectDescription, UploadedPart, WriteCondition } from './tenant-objects.js';

/** The most parts of one upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const maxParts = 10_000;

/** An upload by the server’s own id. For callers that have made sure that the id is of this key. */
export interface MultipartUpload {
  readonly backend: ObjectBackend;
  /** The full key. */
  readonly key: string;
  readonly id: string;
}

/** Begins an upload of a full key. */
export async function createMultipart(
  backend: ObjectBackend,
  key: string,
  options: ObjectCallOptions & ObjectDescription,
): Promise<MultipartUpload> {
  const described = describing(options);
  const { UploadId, Key } = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(new CreateMultipartUploadCommand({ ...backend.place.target, Key: key, ...described }), {
      abortSignal: signal,
    }),
  );
  if (UploadId === undefined || UploadId === '') throw unavailable(undefined, 'the server began an upload without id');
  if (Key !== undefined && Key !== key) throw unavailable(undefined, 'the server began an upload of another key');
  return { backend, key, id: UploadId };
}

/** Stores one part. */
export async function putPart(
  { backend, key, id }: MultipartUpload,
  partNumber: number,
  body: Uint8Array,
  options?: ObjectCallOptions,
): Promise<UploadedPart> {
  const { ETag } = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(
      new UploadPartCommand({
        ...backend.place.target,
        Key: key,
        UploadId: id,
        PartNumber: partNumber,
        Body: body,
        ContentLength: body.byteLength,
      }),
      { abortSignal: signal },
    ),
  );
  if (ETag === undefined) throw unavailable(undefined, 'the server stored a part without an ETag');
  return { partNumber, etag: ETag };
}

/** Makes the parts an object. */
export async function completeMultipart(
  { backend, key, id }: MultipartUpload,
  parts: readonly UploadedPart[],
  options: ObjectCallOptions & WriteCondition = {},
): Promise<{ readonly etag: string }> {
  const condition = onCondition(options);
  const { ETag, Key } = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(
      new CompleteMultipartUploadCommand({
        ...backend.place.target,
        ...condition,
        Key: key,
        UploadId: id,
        MultipartUpload: { Parts: parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag })) },
      }),
      { abortSignal: signal },
    ),
  );
  if (ETag === undefined || (Key !== undefined && Key !== key))
    throw unavailable(undefined, 'the server completed an upload without an ETag, or one of another key');
  return { etag: ETag };
}

/** Drops an upload and its parts, if it is still there. */
export async function abortMultipart(
  { backend, key, id }: MultipartUpload,
  options?: ObjectCallOptions,
): Promise<void> {
  await boundedCall(boundsOf(backend, options), async (signal) => {
    try {
      await backend.client.send(new AbortMultipartUploadCommand({ ...backend.place.target, Key: key, UploadId: id }), {
        abortSignal: signal,
      });
    } catch (cause) {
      if (!saysError(cause, 'NoSuchUpload', 404)) throw cause;
    }
  });
}
