import { createHmac, timingSafeEqual } from 'node:crypto';
import { refused } from '../access.js';
import {
  abortMultipart,
  completeMultipart,
  createMultipart,
  maxParts,
  putPart,
  type MultipartUpload,
} from './multipart.js';
import type { ObjectBackend } from './object-backend.js';
import { headerValue } from './object-headers.js';
import type { ObjectUploads, UploadedPart } from './tenant-objects.js';

/**
 * The uploads that the caller steers.
 *
 * S3 refuses an upload’s id with another key than its own; other servers complete the other key’s upload. So the id
 * that the caller gets carries an HMAC of bucket, full key and the server’s id, and one that was not made here for this
 * very key never reaches the server.
 */
export function objectUploads(backend: ObjectBackend): ObjectUploads {
  const open = (key: string, uploadId: string): MultipartUpload => {
    const full = backend.place.full(key);
    return { backend, key: full, id: serverId(backend, full, uploadId) };
  };
  return {
    async create(key, options = {}) {
      const { key: full, id } = await createMultipart(backend, backend.place.full(key), options);
      return `${Buffer.from(id).toString('base64url')}.${seal(backend, full, id)}`;
    },
    async part(key, uploadId, partNumber, body, options) {
      const upload = open(key, uploadId);
      requirePartNumber(partNumber);
      const bytes: unknown = typeof body === 'string' ? Buffer.from(body) : body;
      if (!(bytes instanceof Uint8Array)) throw refused('a part must be bytes or text');
      return putPart(upload, partNumber, bytes, options);
    },
    async complete(key, uploadId, parts, options) {
      const upload = open(key, uploadId);
      requireParts(parts);
      return completeMultipart(upload, parts, options);
    },
    async abort(key, uploadId, options) {
      await abortMultipart(open(key, uploadId), options);
    },
  };
}

function seal({ uploadSecret, place }: ObjectBackend, full: string, id: string): string {
  return createHmac('sha256', uploadSecret)
    .update(JSON.stringify(['upload', place.bucket, full, id]))
    .digest('base64url');
}

function serverId(backend: ObjectBackend, full: string, uploadId: string): string {
  const [, encoded, given] = /^([\w-]{1,2048})\.([\w-]{43})$/.exec(uploadId) ?? [];
  if (encoded !== undefined && given !== undefined) {
    const id = Buffer.from(encoded, 'base64url').toString();
    if (timingSafeEqual(Buffer.from(given), Buffer.from(seal(backend, full, id)))) return id;
  }
  throw refused('the upload id is not one of this key, or of a storage with another `uploadSecret`');
}

function requirePartNumber(partNumber: number): void {
  if (!Number.isSafeInteger(partNumber) || partNumber < 1 || partNumber > maxParts)
    throw refused(`a part’s number is 1 to ${String(maxParts)}`);
}

function requireParts(parts: readonly UploadedPart[]): void {
  if (parts.length === 0) throw refused('an upload has one part or more');
  let last = 0;
  for (const { partNumber, etag } of parts) {
    requirePartNumber(partNumber);
    headerValue('the ETag of a part', etag);
    if (partNumber <= last) throw refused('the parts must be in the order of their numbers');
    last = partNumber;
  }
}
