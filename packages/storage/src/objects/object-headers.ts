import { refused } from '../access.js';
import type { ObjectDescription, WriteCondition } from './tenant-objects.js';

/** S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html */
const maxMetadataBytes = 2048;

/** The request’s part that describes an object. @throws PortcullisError `storage_refused` */
export function describing({ contentType, metadata }: ObjectDescription): {
  readonly ContentType?: string;
  readonly Metadata?: Record<string, string>;
} {
  if (metadata !== undefined) requireMetadata(metadata);
  return {
    ...(contentType === undefined ? {} : { ContentType: headerValue('contentType', contentType) }),
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
  };
}

/** The request’s part that says when to write at all. @throws PortcullisError `storage_refused` */
export function onCondition({ ifNoneMatch, ifMatch }: WriteCondition): {
  readonly IfNoneMatch?: string;
  readonly IfMatch?: string;
} {
  if (ifNoneMatch !== undefined && (ifNoneMatch as string) !== '*') throw refused('ifNoneMatch can only be `*`');
  if (ifNoneMatch !== undefined && ifMatch !== undefined) throw refused('ifNoneMatch and ifMatch exclude one another');
  return {
    ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
    ...(ifMatch === undefined ? {} : { IfMatch: headerValue('ifMatch', ifMatch) }),
  };
}

/**
 * A value that a header carries as it is: S3 mangles what is not US-ASCII, and a line break would begin another header.
 *
 * @throws PortcullisError `storage_refused`
 */
export function headerValue(name: string, value: string): string {
  if (typeof value !== 'string' || !/^[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?$/.test(value))
    throw refused(`${name} must be 1 to 1024 visible ASCII characters or spaces, with no space at its ends`);
  return value;
}

function requireMetadata(metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  for (const [name, value] of entries) {
    if (!/^[a-z0-9-]+$/.test(name)) throw refused('a name of metadata has only `[a-z0-9-]`');
    headerValue('a value of metadata', value);
  }
  if (entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0) > maxMetadataBytes)
    throw refused(`metadata has at most ${String(maxMetadataBytes)} bytes`);
}
