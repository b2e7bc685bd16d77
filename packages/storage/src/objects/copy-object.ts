import { CopyObjectCommand } from '@aws-sdk/client-s3';
import { refused, unavailable } from '../access.js';
import { boundedLookup } from './bounded-call.js';
import { boundsOf, type ObjectBackend } from './object-backend.js';
import { onCondition } from './object-headers.js';
import type { ObjectCallOptions, WriteCondition } from './tenant-objects.js';

/** Copies within a tenant: both keys go through the codec, and both are of the tenant’s bucket. */
export async function copyObject(
  backend: ObjectBackend,
  from: string,
  to: string,
  options: ObjectCallOptions & WriteCondition = {},
): Promise<{ readonly etag: string } | undefined> {
  const { client, place } = backend;
  const [source, target] = [place.full(from), place.full(to)];
  if (source === target) throw refused('an object is not copied onto itself');
  const condition = onCondition(options);
  const { ExpectedBucketOwner: owner } = place.target;
  return boundedLookup(boundsOf(backend, options), async (signal) => {
    const { CopyObjectResult } = await client.send(
      new CopyObjectCommand({
        ...place.target,
        ...(owner === undefined ? {} : { ExpectedSourceBucketOwner: owner }),
        ...condition,
        Key: target,
        CopySource: copySource(place.bucket, source),
      }),
      { abortSignal: signal },
    );
    if (CopyObjectResult?.ETag === undefined) throw unavailable(undefined, 'the server copied without an ETag');
    return { etag: CopyObjectResult.ETag };
  });
}

/**
 * S3 decodes the whole header, and takes what follows a `?` for a version; so everything but the slashes is encoded.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html — `x-amz-copy-source` must be URL-encoded
 */
function copySource(bucket: string, full: string): string {
  return `${bucket}/${full}`
    .split('/')
    .map((segment) =>
      encodeURIComponent(segment).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');
}
