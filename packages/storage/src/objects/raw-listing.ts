import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { unavailable } from '../access.js';
import { compareKeys } from '../tenant-key.js';
import { boundedCall } from './bounded-call.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import type { ObjectCallOptions } from './tenant-objects.js';

/** What to list, in full keys. */
export interface RawListOptions extends ObjectCallOptions {
  /** Begins with the tenant’s prefix. */
  readonly prefix: string;
  /** At most 1,000: the server gives no more. */
  readonly limit: number;
  /** Only what comes after it. */
  readonly after?: string | undefined;
  readonly delimiter?: '/' | undefined;
}

/** An object, or a group of them. */
export type RawEntry =
  | {
      readonly kind: 'object';
      readonly name: string;
      readonly sizeBytes: number;
      readonly etag: string;
      readonly modifiedAt: number;
    }
  | { readonly kind: 'group'; readonly name: string };

/** A page as the server has it, in order. */
export interface RawPage {
  readonly entries: readonly RawEntry[];
  readonly more: boolean;
}

/**
 * One page of full keys. It goes on after a key and not by a token of the server’s: a key can be checked, and the
 * request names the tenant’s prefix either way.
 *
 * What the server answers is believed only when every name begins with the prefix that was asked for, and comes after
 * the one before it: what is out of place might be another tenant’s, what is out of order would be lost by paging.
 *
 * @throws PortcullisError `storage_unavailable`
 */
export async function listRaw(backend: ObjectBackend, options: RawListOptions): Promise<RawPage> {
  const { prefix, limit, after, delimiter } = options;
  const answer = await boundedCall(boundsOf(backend, options), (signal) =>
    backend.client.send(
      new ListObjectsV2Command({
        ...backend.place.target,
        Prefix: prefix,
        MaxKeys: limit,
        EncodingType: 'url',
        ...(after === undefined ? {} : { StartAfter: after }),
        ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      }),
      { abortSignal: signal },
    ),
  );
  const objects = requireInOrder(objectsOf(answer), prefix, after);
  // A group may begin before what it is listed after, and be named once more.
  const groups = requireInOrder(groupsOf(answer), prefix, undefined).filter(
    ({ name }) => after === undefined || compareKeys(name, after) > 0,
  );
  const entries = [...objects, ...groups].sort((one, two) => compareKeys(one.name, two.name));
  const more = answer.IsTruncated === true;
  if (more && entries.length === 0) throw unavailable(undefined, 'the server gave an empty page of a longer listing');
  return { entries, more };
}

function objectsOf({ Contents = [], EncodingType }: ListObjectsV2CommandOutput): readonly RawEntry[] {
  return Contents.map(({ Key, Size, ETag, LastModified }) => {
    if (Key === undefined || Size === undefined || ETag === undefined || LastModified === undefined)
      throw unavailable(undefined, 'the server listed an object without a key, a size, an ETag or a time');
    return {
      kind: 'object',
      name: decoded(Key, EncodingType),
      sizeBytes: Size,
      etag: ETag,
      modifiedAt: LastModified.getTime(),
    };
  });
}

function groupsOf({ CommonPrefixes = [], EncodingType }: ListObjectsV2CommandOutput): readonly RawEntry[] {
  return CommonPrefixes.map(({ Prefix }) => {
    if (Prefix === undefined) throw unavailable(undefined, 'the server listed a group without a name');
    return { kind: 'group', name: decoded(Prefix, EncodingType) };
  });
}

/** A server that was asked for URL encoding and knows it says so; a space is a `+` there. */
function decoded(name: string, encodingType: string | undefined): string {
  if (encodingType !== 'url') return name;
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch (cause) {
    throw unavailable(cause, 'the server listed a key that is not encoded as it said');
  }
}

function requireInOrder(entries: readonly RawEntry[], prefix: string, after: string | undefined): readonly RawEntry[] {
  let last = after;
  for (const { name } of entries) {
    if (!name.startsWith(prefix)) throw unavailable(undefined, 'the server listed a key outside of what was asked for');
    if (last !== undefined && compareKeys(name, last) <= 0)
      throw unavailable(undefined, 'the server does not list keys in the order of their bytes');
    last = name;
  }
  return entries;
}
