import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
} from '@aws-sdk/client-s3';
import { unavailable } from '../access.js';
import { boundedCall, saysError } from './bounded-call.js';
import { maxPage } from './list-objects.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import { fullKeys } from './object-place.js';
import { listRaw } from './raw-listing.js';
import type { ObjectCallOptions } from './tenant-objects.js';

/** Deletes one object. */
export async function deleteObject(backend: ObjectBackend, key: string, options?: ObjectCallOptions): Promise<void> {
  await deleteFull(backend, backend.place.full(key), options);
}

/** Deletes several objects. */
export async function deleteObjects(
  backend: ObjectBackend,
  keys: readonly string[],
  options?: ObjectCallOptions,
): Promise<void> {
  await deleteAll(backend, fullKeys(backend.place, keys), options);
}

/** Deletes all that is below the tenant’s prefix, and returns how many objects that were. */
export async function clearObjects(backend: ObjectBackend, options?: ObjectCallOptions): Promise<number> {
  const { prefix } = backend.place;
  let count = 0;
  let first: string | undefined;
  for (;;) {
    const { entries } = await listRaw(backend, { prefix, limit: maxPage, ...options });
    if (entries[0] === undefined) break;
    if (entries[0].name === first) throw unavailable(undefined, 'the server still lists what it said it had deleted');
    first = entries[0].name;
    await deleteAll(
      backend,
      entries.map(({ name }) => name),
      options,
    );
    count += entries.length;
  }
  await abortUploads(backend, options);
  return count;
}

async function deleteFull(backend: ObjectBackend, full: string, options?: ObjectCallOptions): Promise<void> {
  await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(new DeleteObjectCommand({ ...backend.place.target, Key: full }), { abortSignal: signal }),
  );
}

async function deleteAll(backend: ObjectBackend, full: readonly string[], options?: ObjectCallOptions): Promise<void> {
  const together = full.filter(fitsIntoXml);
  for (let at = 0; at < together.length; at += maxPage)
    await deletePage(backend, together.slice(at, at + maxPage), options);
  for (const key of full) if (!fitsIntoXml(key)) await deleteFull(backend, key, options);
}

/**
 * The list of keys to delete is XML, which has no U+FFFE and U+FFFF, and where a parser may drop spaces at the ends:
 * another key would be deleted than the one that was meant.
 *
 * @see https://www.w3.org/TR/xml/#charsets
 */
function fitsIntoXml(key: string): boolean {
  return key.trim() === key && !/[\uFFFE\uFFFF]/.test(key);
}

async function deletePage(backend: ObjectBackend, full: readonly string[], options?: ObjectCallOptions): Promise<void> {
  const { Deleted = [], Errors = [] } = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(
      new DeleteObjectsCommand({ ...backend.place.target, Delete: { Objects: full.map((Key) => ({ Key })) } }),
      { abortSignal: signal },
    ),
  );
  const done = new Set(Deleted.map(({ Key }) => Key));
  const left = full.filter((key) => !done.has(key)).length;
  if (Errors.length > 0 || left > 0) {
    const codes = [...new Set(Errors.map(({ Code }) => Code ?? 'unknown'))].join(', ');
    throw unavailable(undefined, `the server did not delete ${String(left)} of ${String(full.length)} keys: ${codes}`);
  }
}

/** Uploads that nobody completed hold the tenant’s data, and no listing shows them. */
async function abortUploads(backend: ObjectBackend, options?: ObjectCallOptions): Promise<void> {
  const { client, place } = backend;
  let from: Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'> | undefined = {};
  while (from !== undefined) {
    const page: Partial<ListMultipartUploadsCommandOutput> = await listUploads(backend, from, options);
    for (const { Key, UploadId } of page.Uploads ?? []) {
      if (Key?.startsWith(place.prefix) !== true)
        throw unavailable(undefined, 'the server listed an upload outside of what was asked for');
      await boundedCall(boundsOf(backend, options), (signal) =>
        client.send(new AbortMultipartUploadCommand({ ...place.target, Key, UploadId }), { abortSignal: signal }),
      );
    }
    from =
      page.IsTruncated === true
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined;
  }
}

async function listUploads(
  { client, place, timeoutMs }: ObjectBackend,
  from: Pick<ListMultipartUploadsCommandInput, 'KeyMarker' | 'UploadIdMarker'>,
  options: ObjectCallOptions = {},
): Promise<Partial<ListMultipartUploadsCommandOutput>> {
  return boundedCall({ timeoutMs, signal: options.signal }, async (signal) => {
    try {
      return await client.send(new ListMultipartUploadsCommand({ ...place.target, ...from, Prefix: place.prefix }), {
        abortSignal: signal,
      });
    } catch (cause) {
      // A server that cannot list uploads has to expire them itself.
      if (saysError(cause, 'NotImplemented', 501)) return {};
      throw cause;
    }
  });
}
