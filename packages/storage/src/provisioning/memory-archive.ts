import { PortcullisError } from '@portcullis/core';
import { requireArchiveFile, requireArchiveId } from './archive-names.js';
import type { ArchiveStore } from './archive-store.js';

/** Archives in this process's memory, with the files laid open: for tests. */
export interface MemoryArchive extends ArchiveStore {
  /** By archive id, by file name. */
  readonly archives: ReadonlyMap<string, Map<string, Uint8Array>>;
}

/**
 * Keeps archives in this process's memory: for tests, and never for data that is deleted afterwards.
 *
 * @example
 * ```ts
 * import { memoryArchive } from '@portcullis/storage/provisioning';
 *
 * const archive = memoryArchive();
 * const writer = await archive.create('first');
 * await writer.commit();
 * console.log(archive.archives.size); // prints: 1
 * ```
 */
export function memoryArchive(): MemoryArchive {
  const archives = new Map<string, Map<string, Uint8Array>>();
  return {
    archives,
    async create(id) {
      await Promise.resolve();
      const files = new Map<string, Uint8Array>();
      if (archives.has(requireArchiveId(id))) throw exists(id);
      return {
        async write(file, content) {
          if (files.has(requireArchiveFile(file))) throw exists(file);
          const chunks: Uint8Array[] = [];
          for await (const chunk of content) chunks.push(chunk.slice());
          files.set(file, Buffer.concat(chunks));
        },
        async commit() {
          await Promise.resolve();
          if (archives.has(id)) throw exists(id);
          archives.set(id, files);
        },
        abort: () => Promise.resolve(),
      };
    },
    async *read(id, file) {
      const content = archives.get(requireArchiveId(id))?.get(requireArchiveFile(file));
      await Promise.resolve();
      if (content === undefined)
        throw new PortcullisError('storage_not_provisioned', undefined, {
          detail: `no \`${file}\` in archive \`${id}\``,
        });
      yield content;
    },
    remove(id) {
      archives.delete(requireArchiveId(id));
      return Promise.resolve();
    },
  };
}

function exists(what: string): PortcullisError {
  return new PortcullisError('conflict', `\`${what}\` exists in the archive`);
}
