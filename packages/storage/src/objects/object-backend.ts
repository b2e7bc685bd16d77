import type { S3Client } from '@aws-sdk/client-s3';
import type { CallBounds } from './bounded-call.js';
import type { ObjectPlace } from './object-place.js';
import type { ObjectCallOptions } from './tenant-objects.js';

/** What all operations of one tenant’s objects work with. */
export interface ObjectBackend {
  readonly client: S3Client;
  readonly place: ObjectPlace;
  readonly timeoutMs: number;
  readonly maxGetBytes: number;
  readonly partSizeBytes: number;
  readonly maxExpiresInMs: number;
  /** The key of the hash in an upload’s id. */
  readonly uploadSecret: Uint8Array;
}

/** The bounds of one call of an operation. */
export function boundsOf({ timeoutMs }: ObjectBackend, { signal }: ObjectCallOptions = {}): CallBounds {
  return { timeoutMs, signal };
}
