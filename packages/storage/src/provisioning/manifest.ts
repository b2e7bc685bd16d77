import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isTenantId, type PortcullisError, type TenantId } from '@portcullis/core';
import { refused } from '../access.js';
import type { ArchiveStore } from './archive-store.js';
import type { ResourceEntry } from './tenant-resource.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const manifest = z.strictObject({
  format: z.literal('portcullis-archive/1'),
  tenant: z.custom<TenantId>(isTenantId),
  job: z.string(),
  /** Milliseconds since the Unix epoch. */
  writtenAt: z.number().int(),
  /** The tenant's record and its members, as JSON, in this file. */
  registry: z.strictObject({ file: z.string(), sha256, bytes: z.number().int() }),
  resources: z.array(
    z.strictObject({
      name: z.string(),
      entries: z.array(
        z.strictObject({
          file: z.string(),
          name: z.string(),
          attributes: z.record(z.string(), z.string()).optional(),
          sha256,
          bytes: z.number().int(),
        }),
      ),
    }),
  ),
});

/** What is in an archive: every file of it with its size and its SHA-256. */
export type Manifest = z.infer<typeof manifest>;

/** One file, as a manifest names it. */
export interface ManifestFile {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** The name of the manifest's own file. */
export const manifestFile = 'manifest.json';

/** Which archive, of whom, and the checksum of its manifest as the journal has it. */
export interface KnownArchive {
  readonly id: string;
  readonly tenant: TenantId;
  readonly checksum: string;
}

/**
 * Reads an archive from its beginning to its end, and refuses it when a byte is other than it was written: the
 * manifest against the journal's checksum, every file against the manifest.
 *
 * @throws PortcullisError `storage_refused`; `storage_not_provisioned` when it is gone; `storage_unavailable`
 */
export async function verifiedManifest(store: ArchiveStore, known: KnownArchive): Promise<Manifest> {
  const read = await readManifest(store, known);
  const files = [read.registry, ...read.resources.flatMap(({ entries }) => entries)];
  for (const file of files) for await (const _chunk of checkedFile(store, known.id, file));
  return read;
}

/** The manifest alone, checked against the journal's checksum. */
async function readManifest(store: ArchiveStore, { id, tenant, checksum }: KnownArchive): Promise<Manifest> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(id, manifestFile)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (createHash('sha256').update(bytes).digest('hex') !== checksum)
    throw damaged(id, 'its manifest is not the one that was written');
  const parsed = manifest.safeParse(JSON.parse(bytes.toString()));
  if (!parsed.success) throw damaged(id, 'its manifest is of another format', parsed.error);
  if (parsed.data.tenant !== tenant) throw damaged(id, 'it is another tenant’s');
  return parsed.data;
}

/** A file's content, which ends in an error when it is not what was written. */
export async function* checkedFile(store: ArchiveStore, id: string, file: ManifestFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of store.read(id, file.file)) {
    hash.update(chunk);
    bytes += chunk.byteLength;
    yield chunk;
  }
  if (bytes !== file.bytes || hash.digest('hex') !== file.sha256)
    throw damaged(id, `\`${file.file}\` is not what was written`);
}

/** One resource's entries. Each is checked once more as it is read. */
export async function* archivedEntries(
  store: ArchiveStore,
  id: string,
  { resources }: Manifest,
  resource: string,
): AsyncGenerator<ResourceEntry> {
  await Promise.resolve();
  for (const entry of resources.find(({ name }) => name === resource)?.entries ?? [])
    yield { name: entry.name, attributes: entry.attributes, content: checkedFile(store, id, entry) };
}

function damaged(id: string, what: string, cause?: unknown): PortcullisError {
  return refused(`archive \`${id}\` is not to be trusted: ${what}`, cause);
}
