import { compareKeys, ownKey, tenantKey, tenantPrefix } from '../tenant-key.js';

/** Where a tenant’s objects are: the only thing that knows bucket and prefix. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly prefix: string;
  /** What every request for this bucket carries. */
  readonly target: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };
  /** The full key. @throws PortcullisError `storage_refused` for a key that is not acceptable */
  full(key: string): string;
  /** The tenant’s own key of a full one that the server named; `undefined` when `full` would not have made it. */
  own(full: string): string | undefined;
}

/** The place of a tenant in a bucket. */
export function objectPlace(bucket: string, tenant: string, expectedBucketOwner: string | undefined): ObjectPlace {
  return {
    bucket,
    prefix: tenantPrefix(tenant),
    target: {
      Bucket: bucket,
      ...(expectedBucketOwner === undefined ? {} : { ExpectedBucketOwner: expectedBucketOwner }),
    },
    full: (key) => tenantKey(tenant, key),
    own: (full) => {
      const key = ownKey(tenant, full);
      if (key === undefined) return undefined;
      try {
        return tenantKey(tenant, key) === full ? key : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** Keys in the order in which S3 lists them, each once. @throws PortcullisError `storage_refused` */
export function fullKeys(place: ObjectPlace, keys: readonly string[]): readonly string[] {
  return [...new Set(keys.map((key) => place.full(key)))].sort(compareKeys);
}
