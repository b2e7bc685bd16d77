import type { OperatorContext, TenantId } from '@portcullis/core';
import { filesResource, type TenantFiles } from './files-resource.js';
import type { TenantResource } from './tenant-resource.js';

/** As much of a tenant's folder as is needed. */
export interface ArchivableFolder {
  list(options: { readonly limit: number; readonly cursor?: string | undefined }): Promise<{
    readonly keys: readonly string[];
    readonly cursor?: string | undefined;
  }>;
  get(key: string): Promise<Uint8Array | undefined>;
  put(key: string, content: ReadableStream<Uint8Array>): Promise<unknown>;
  clear(): Promise<unknown>;
}

/** As much of a folder storage as is needed: `folderStorage` is one. It has to have an `operatorAccess`. */
export interface OperatorFolders {
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<ArchivableFolder>;
}

/**
 * The files of a tenant's folder: an entry each, byte for byte.
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { folderStorage } from '@portcullis/storage/folder';
 * import { folderResource } from '@portcullis/storage/provisioning';
 *
 * const root = await mkdtemp(join(tmpdir(), 'tenants-'));
 * const storage = await folderStorage({ root, operatorAccess: async () => {} });
 * console.log(folderResource(storage).name); // prints: folder
 * await storage.close();
 * ```
 */
export function folderResource(
  storage: OperatorFolders,
  { name = 'folder' }: { readonly name?: string | undefined } = {},
): TenantResource {
  return filesResource(name, async ({ operator, tenant }) =>
    filesOf(await storage.forTenantAsOperator(operator, tenant)),
  );
}

function filesOf(folder: ArchivableFolder): TenantFiles {
  return {
    async list(cursor, limit) {
      const page = await folder.list({ limit, cursor });
      return { files: page.keys.map((key) => ({ key })), cursor: page.cursor };
    },
    async read(key) {
      const content = await folder.get(key);
      return content && { content: ReadableStream.from([content]) };
    },
    write: (key, { content }) => folder.put(key, ReadableStream.from(content)),
    clear: () => folder.clear(),
  };
}
