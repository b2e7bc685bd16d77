/** What an operation takes beside its own. */
export interface ObjectCallOptions {
  /** The caller's wish to wait no longer. The operation then rejects with `storage_unavailable`. */
  readonly signal?: AbortSignal | undefined;
}

/** What is stored under a key. */
export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  /** As the server gives it, with its quotes. */
  readonly etag: string;
  /** Milliseconds since the Unix epoch. */
  readonly modifiedAt: number;
}

/** What a read tells beside the content. */
export interface ObjectHead extends ObjectInfo {
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An object with all of its content. */
export interface StoredObject extends ObjectHead {
  readonly body: Uint8Array;
}

/** An object whose content is read as it comes. Read it to its end, or cancel it: it holds a connection. */
export interface StreamedObject extends ObjectHead {
  /** Ends in an error (`storage_unavailable`) when it is cut short: a part is never mistaken for the whole. */
  readonly body: ReadableStream<Uint8Array>;
}

/** When to write at all. S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
export interface WriteCondition {
  /** `*`: only when there is nothing under the key. Rejects with `conflict` otherwise. */
  readonly ifNoneMatch?: '*' | undefined;
  /** Only over the object with this ETag. Rejects with `conflict` otherwise. */
  readonly ifMatch?: string | undefined;
}

/** What an object is described with. */
export interface ObjectDescription {
  /** A media type: visible ASCII and spaces. */
  readonly contentType?: string | undefined;
  /** Names of `[a-z0-9-]`, values of visible ASCII and spaces, together at most 2 KB (S3's limit). */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** How an object is written. */
export interface PutObjectOptions extends ObjectCallOptions, ObjectDescription, WriteCondition {}

/** What can be stored. A stream is sent in parts when it is longer than one. */
export type ObjectContent = Uint8Array | string | ReadableStream<Uint8Array>;

/** Which objects to list. */
export interface ObjectListOptions extends ObjectCallOptions {
  /** What the keys begin with. @defaultValue all */
  readonly prefix?: string | undefined;
  /** The most entries in one page, groups included. @defaultValue 100 */
  readonly limit?: number | undefined;
  /** Where the previous page ended: to be taken as it is. */
  readonly cursor?: string | undefined;
  /** `/`: keys that go on after the next slash are grouped into `prefixes`. */
  readonly delimiter?: '/' | undefined;
}

/** A page of a listing, in the order of the keys’ UTF-8 bytes. */
export interface ObjectPage {
  readonly objects: readonly ObjectInfo[];
  /** With `delimiter`: the groups, each ending in a slash. */
  readonly prefixes: readonly string[];
  readonly cursor?: string | undefined;
}

/** A part of an upload that has been stored. */
export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/**
 * An upload in parts that the caller steers. The id is this tenant’s for this key alone: it carries a keyed hash of
 * bucket, tenant and key, so that an id of another key or tenant is refused here, whatever the server would do.
 */
export interface ObjectUploads {
  create(key: string, options?: ObjectCallOptions & ObjectDescription): Promise<string>;
  /** @param partNumber - 1 to 10,000; each part but the last has 5 MiB or more on AWS */
  part(
    key: string,
    uploadId: string,
    partNumber: number,
    body: Uint8Array | string,
    options?: ObjectCallOptions,
  ): Promise<UploadedPart>;
  /** @param parts - in the order of their numbers */
  complete(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    options?: ObjectCallOptions & WriteCondition,
  ): Promise<{ readonly etag: string }>;
  /** Drops the upload and its parts. An upload that is over or was dropped already is no error. */
  abort(key: string, uploadId: string, options?: ObjectCallOptions): Promise<void>;
}

/** How a URL for reading is signed. */
export interface SignedGetOptions {
  /** How long it is good, in milliseconds, in whole seconds: from 1,000 to the storage’s `maxExpiresInMs`. */
  readonly expiresInMs: number;
  /** What the answer says instead of what is stored, for example `attachment; filename="a.pdf"`. */
  readonly contentDisposition?: string | undefined;
  readonly contentType?: string | undefined;
}

/** How a URL for writing is signed. What is given here the sender has to send as it is, or the server refuses. */
export interface SignedPutOptions {
  /** As for reading. */
  readonly expiresInMs: number;
  readonly contentType: string;
  /** The exact size of what may be sent. */
  readonly contentLengthBytes: number;
  /** `*`: only when there is nothing under the key. */
  readonly ifNoneMatch?: '*' | undefined;
}

/** A request that whoever holds it may send, until it expires. */
export interface SignedRequest {
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  /** Headers that have to be sent exactly so: they are part of the signature. `content-length` is set by the sender. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/**
 * Objects of one tenant. There is no argument by which another tenant could be named.
 *
 * Every operation rejects with `storage_refused` for a key, a cursor or an option that is not acceptable, with
 * `storage_not_provisioned` when there is no bucket, and with `storage_unavailable` when the backend fails, is too
 * slow, or answers with something that is not this tenant’s: none of these ever looks like an object that is not there.
 */
export interface TenantObjects {
  /** The whole object; `undefined` when there is none. Refused when it is larger than the storage’s `maxGetBytes`. */
  get(key: string, options?: ObjectCallOptions): Promise<StoredObject | undefined>;
  /** The object as a stream, of any size. The deadline is one for each chunk. */
  getStream(key: string, options?: ObjectCallOptions): Promise<StreamedObject | undefined>;
  /** What is known of the object, without its content. */
  head(key: string, options?: ObjectCallOptions): Promise<ObjectHead | undefined>;
  exists(key: string, options?: ObjectCallOptions): Promise<boolean>;
  put(key: string, content: ObjectContent, options?: PutObjectOptions): Promise<{ readonly etag: string }>;
  /** S3 does not tell whether there was something to delete. */
  delete(key: string, options?: ObjectCallOptions): Promise<void>;
  /** Every key is checked before the first is deleted. */
  deleteMany(keys: readonly string[], options?: ObjectCallOptions): Promise<void>;
  /** Copies an object of this tenant to another key of this tenant; `undefined` when there is none to copy. */
  copy(
    from: string,
    to: string,
    options?: ObjectCallOptions & Pick<WriteCondition, 'ifNoneMatch' | 'ifMatch'>,
  ): Promise<{ readonly etag: string } | undefined>;
  list(options?: ObjectListOptions): Promise<ObjectPage>;
  /**
   * Deletes everything of this tenant, uploads that were not completed included, and returns how many objects that
   * were. In a bucket with versions the older ones stay: expire them by a lifecycle rule.
   */
  clear(options?: ObjectCallOptions): Promise<number>;
  readonly uploads: ObjectUploads;
  /** Signs a request for reading exactly this object. It stays good until it expires, whatever happens to the tenant. */
  signGet(key: string, options: SignedGetOptions): Promise<SignedRequest>;
  /** Signs a request for writing exactly this object, of this type and size. */
  signPut(key: string, options: SignedPutOptions): Promise<SignedRequest>;
}
