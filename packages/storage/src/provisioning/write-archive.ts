import { createHash } from 'node:crypto';
import type { ArchiveStore, ArchiveWriter } from './archive-store.js';
import { manifestFile, type Manifest, type ManifestFile } from './manifest.js';
import type { RegistryEntry } from './registry-entry.js';
import type { Counts, ResourceCall, TenantResource } from './tenant-resource.js';

/** What goes into an archive. */
export interface ArchiveContent {
  readonly id: string;
  readonly job: string;
  /** Milliseconds since the Unix epoch. */
  readonly writtenAt: number;
  readonly registry: RegistryEntry;
  readonly resources: readonly TenantResource[];
  readonly call: ResourceCall;
}

/** An archive that was written: the checksum of its manifest, and how much is in it. */
export interface WrittenArchive {
  readonly checksum: string;
  readonly counts: Counts;
}

/** Exports a tenant from every resource into a new archive. */
export async function writeArchive(store: ArchiveStore, content: ArchiveContent): Promise<WrittenArchive> {
  const writer = await store.create(content.id);
  try {
    const manifest = await exported(writer, content);
    const { sha256 } = await writeFile(writer, manifestFile, one(JSON.stringify(manifest)));
    content.call.signal.throwIfAborted();
    await writer.commit();
    return { checksum: sha256, counts: countsOf(manifest) };
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
}

async function exported(
  writer: ArchiveWriter,
  { job, writtenAt, registry, resources, call }: ArchiveContent,
): Promise<Manifest> {
  let files = 0;
  const next = (): string => String(++files).padStart(6, '0');
  const record = await writeFile(writer, next(), one(JSON.stringify(registry)));
  const parts: Manifest['resources'] = [];
  for (const resource of resources) {
    const entries: Manifest['resources'][number]['entries'] = [];
    const names = new Set<string>();
    await resource.export(call, async ({ name, attributes, content }) => {
      call.signal.throwIfAborted();
      if (names.has(name)) throw new TypeError(`two entries are named \`${name}\``);
      names.add(name);
      entries.push({ ...(await writeFile(writer, next(), content)), name, ...(attributes && { attributes }) });
    });
    parts.push({ name: resource.name, entries });
  }
  return { format: 'portcullis-archive/1', tenant: call.tenant, job, writtenAt, registry: record, resources: parts };
}

/** Writes one file, and tells what went into it. */
async function writeFile(
  writer: ArchiveWriter,
  file: string,
  content: AsyncIterable<Uint8Array>,
): Promise<ManifestFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      yield chunk;
    }
  }
  await writer.write(file, counted());
  return { file, sha256: hash.digest('hex'), bytes };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a file's content comes as chunks, and here there is one
async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

function countsOf({ registry, resources }: Manifest): Counts {
  const entries = resources.flatMap((resource) => resource.entries);
  return { entries: entries.length, bytes: entries.reduce((sum, { bytes }) => sum + bytes, registry.bytes) };
}
