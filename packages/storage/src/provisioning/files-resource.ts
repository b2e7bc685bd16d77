import { PortcullisError } from '@portcullis/core';
import type { Counts, ResourceCall, ResourceEntry, TenantResource } from './tenant-resource.js';

/** One tenant's files, of whatever adapter. */
export interface TenantFiles {
  list(cursor: string | undefined, limit: number): Promise<FilePage>;
  read(key: string): Promise<Omit<ResourceEntry, 'name'> | undefined>;
  write(key: string, entry: ResourceEntry): Promise<unknown>;
  clear(): Promise<unknown>;
}

/** A page of files. */
interface FilePage {
  readonly files: readonly { readonly key: string; readonly bytes?: number | undefined }[];
  readonly cursor?: string | undefined;
}

/** A tenant's place, where it has to be made: a bucket. */
export interface TenantPlace {
  /** Makes it, when it is not there. */
  make(call: ResourceCall): Promise<void>;
  /** Deletes it, when it is there. It has been emptied. */
  remove(call: ResourceCall): Promise<void>;
}

/** Files as a resource: an entry each, named by its key. */
export function filesResource(
  name: string,
  open: (call: ResourceCall) => Promise<TenantFiles>,
  place?: TenantPlace,
): TenantResource {
  return {
    name,
    has: (call) =>
      whereThereIsAPlace(false, async () => (await (await open(call)).list(undefined, 1)).files.length > 0),
    async provision(call) {
      await place?.make(call);
    },
    async export(call, write) {
      const files = await open(call);
      for await (const { key } of each(files, call.signal)) {
        const entry = await files.read(key);
        if (entry !== undefined) await write({ ...entry, name: key });
      }
    },
    async restore(call, entries) {
      await place?.make(call);
      const files = await open(call);
      for await (const entry of entries) {
        call.signal.throwIfAborted();
        await files.write(entry.name, entry);
      }
    },
    async remove(call) {
      await whereThereIsAPlace(undefined, async () => (await open(call)).clear());
      await place?.remove(call);
    },
    describe: (call) =>
      whereThereIsAPlace<Counts>({}, async () => {
        let count = 0;
        let size: number | undefined = 0;
        for await (const { bytes } of each(await open(call), call.signal)) {
          count++;
          size = bytes === undefined || size === undefined ? undefined : size + bytes;
        }
        return { files: count, ...(size !== undefined && { bytes: size }) };
      }),
  };
}

async function* each(files: TenantFiles, signal: AbortSignal): AsyncGenerator<FilePage['files'][number]> {
  let cursor: string | undefined;
  do {
    signal.throwIfAborted();
    const page = await files.list(cursor, 1000);
    yield* page.files;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Where the tenant has no bucket it has nothing in one. Any other failure is one. */
async function whereThereIsAPlace<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'storage_not_provisioned') return otherwise;
    throw error;
  }
}
