import type { KeyListOptions, KeyPage } from '../tenant-key-value.js';

/** What a file can be written from. */
export type FileContent = Uint8Array | string | ReadableStream<Uint8Array>;

/**
 * Files of one tenant, by key. There is no argument by which another tenant could be named.
 *
 * Every operation rejects with `storage_refused` for a key that is not acceptable and for anything in the tenant’s
 * folder that is not a plain file or folder with one name (a link, a pipe, a device), and with `storage_unavailable`
 * when the file system fails or is too slow: none of these ever looks like a file that is not there.
 */
export interface TenantFolder {
  /** The file’s content; `undefined` when there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Writes a file at once: whoever reads meanwhile has all of the old content or all of the new. */
  put(key: string, content: FileContent): Promise<void>;
  /** Whether there was something to delete. */
  delete(key: string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  /** Copies a file of this tenant to another key of this tenant. `false`: there is none to copy. */
  copy(from: string, to: string): Promise<boolean>;
  /** In the order of the keys’ UTF-8 bytes. Each page walks through all of the prefix’s files. */
  list(options?: KeyListOptions): Promise<KeyPage>;
  /** Deletes everything of this tenant, what is no file of its included, and returns how many files that were. */
  clear(): Promise<number>;
}
