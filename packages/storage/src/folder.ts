import { openFolderStorage, type FolderStorage, type FolderStorageOptions } from './folder/open-folder-storage.js';

export type { FolderStorage, FolderStorageOptions } from './folder/open-folder-storage.js';
export type { FileContent, TenantFolder } from './folder/tenant-folder.js';

/**
 * Isolation by folder on a local file system.
 *
 * A tenant’s folder and everything in it belong to the process’s account alone (modes 0700 and 0600). On Linux every
 * folder on the way is held by a descriptor and every name is opened without following links, so that nothing that is
 * put into the tenant’s folder meanwhile leads out of it. Where there is no `/proc` (macOS, Windows) paths are looked
 * at before and after: there, let nobody else write into the root.
 *
 * @throws PortcullisError `config_invalid` when the root is not there, is no folder, or is writable for everybody
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { folderStorage } from '@portcullis/storage/folder';
 *
 * const storage = await folderStorage({ root: await mkdtemp(join(tmpdir(), 'tenants-')) });
 * await storage.close();
 * ```
 */
export function folderStorage(options: FolderStorageOptions): Promise<FolderStorage> {
  return openFolderStorage(options, 'best');
}
