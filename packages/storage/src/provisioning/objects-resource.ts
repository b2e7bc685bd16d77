import type { OperatorContext, TenantId } from '@portcullis/core';
import { filesResource, type TenantFiles, type TenantPlace } from './files-resource.js';
import type { TenantResource } from './tenant-resource.js';

/** As much of a tenant's objects as is needed. */
export interface ArchivableObjects {
  list(options: { readonly limit: number; readonly cursor?: string | undefined }): Promise<{
    readonly objects: readonly { readonly key: string; readonly sizeBytes: number }[];
    readonly cursor?: string | undefined;
  }>;
  getStream(key: string): Promise<
    | {
        readonly body: ReadableStream<Uint8Array>;
        readonly contentType: string | undefined;
        readonly metadata: Readonly<Record<string, string>>;
      }
    | undefined
  >;
  put(
    key: string,
    content: ReadableStream<Uint8Array>,
    options: { readonly contentType?: string | undefined; readonly metadata: Readonly<Record<string, string>> },
  ): Promise<unknown>;
  clear(): Promise<unknown>;
}

/** As much of an object storage as is needed: `s3Storage` is one. It has to have an `operatorAccess`. */
export interface OperatorObjects {
  forTenantAsOperator(operator: OperatorContext, tenant: TenantId): Promise<ArchivableObjects>;
}

/** How objects are a resource. */
export interface ObjectsResourceOptions {
  /** @defaultValue `objects` */
  readonly name?: string | undefined;
  /** With a bucket for each tenant: what makes and deletes it. @defaultValue nothing has to be made */
  readonly place?: TenantPlace | undefined;
}

/**
 * The objects of a tenant: an entry each, byte for byte, with its media type and its metadata. Older versions of an
 * object, tags and retention settings of the store are in no export.
 *
 * @example
 * ```text
 * objectsResource(s3Storage({ client, bucket: 'documents', operatorAccess }));
 * ```
 */
export function objectsResource(storage: OperatorObjects, options: ObjectsResourceOptions = {}): TenantResource {
  const { name = 'objects', place } = options;
  return filesResource(
    name,
    async ({ operator, tenant }) => filesOf(await storage.forTenantAsOperator(operator, tenant)),
    place,
  );
}

const typeName = 'type';
const metadataPrefix = 'metadata-';

function filesOf(objects: ArchivableObjects): TenantFiles {
  return {
    async list(cursor, limit) {
      const page = await objects.list({ limit, cursor });
      return { files: page.objects.map(({ key, sizeBytes }) => ({ key, bytes: sizeBytes })), cursor: page.cursor };
    },
    async read(key) {
      const found = await objects.getStream(key);
      if (found === undefined) return undefined;
      const { body, contentType, metadata } = found;
      const named = Object.entries(metadata).map(([field, value]) => [`${metadataPrefix}${field}`, value] as const);
      const type = contentType === undefined ? [] : ([[typeName, contentType]] as const);
      return { content: body, attributes: Object.fromEntries([...type, ...named]) };
    },
    async write(key, { content, attributes = {} }) {
      const metadata = Object.entries(attributes).flatMap(([field, value]) =>
        field.startsWith(metadataPrefix) ? [[field.slice(metadataPrefix.length), value] as const] : [],
      );
      await objects.put(key, ReadableStream.from(content), {
        contentType: attributes[typeName],
        metadata: Object.fromEntries(metadata),
      });
    },
    clear: () => objects.clear(),
  };
}
