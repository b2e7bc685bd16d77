import { link, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, CreateBucketCommand } from '@aws-sdk/client-s3';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { folderStorage } from '@portcullis/storage/folder';
import { keyvStorage } from '@portcullis/storage/keyv';
import { bucketPerTenant, s3Storage } from '@portcullis/storage/s3';
import { startRedis } from '@portcullis/testing/redis';
import { startS3 } from '@portcullis/testing/s3';
import type { Opened } from './postgres.js';

/** Keys over Keyv: in memory, or on a Redis that can be ended. */
export async function openKeys(where: 'memory' | 'redis'): Promise<Opened> {
  const redis = where === 'redis' ? await startRedis() : undefined;
  const keyv = redis === undefined ? new Keyv() : new Keyv({ store: new KeyvRedis(redis.url) });
  const storage = keyvStorage({ keyv, timeoutMs: 3000 });
  return {
    subject: {
      name: `keys, ${where}`,
      reset: () => keyv.clear(),
      run: (context, work) => {
        const own = storage.forTenant(context);
        return work({
          put: (key, value) => own.set(key, value),
          get: async (key) => (await own.get(key)) as string | undefined,
          delete: (key) => own.delete(key),
          getMany: async (keys) => (await own.getMany(keys)) as readonly (string | undefined)[],
          list: (prefix) =>
            all(async (cursor) => {
              const page = await own.list({ prefix, limit: 100, cursor });
              return { found: page.keys, cursor: page.cursor };
            }),
          clear: () => own.clear(),
        });
      },
    },
    async close() {
      await storage.close().catch(() => undefined);
      await redis?.stop();
    },
  };
}

/** Objects on an S3 server: one bucket for all, or one each. */
export async function openObjects(strategy: 'prefix' | 'bucket per tenant'): Promise<Opened> {
  const server = await startS3({ buckets: ['shared'], pageLimit: 7 });
  const { endpoint, region, credentials } = server;
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
  const buckets = bucketPerTenant({ prefix: 'kit' });
  const storage = s3Storage({ client, bucket: strategy === 'prefix' ? 'shared' : buckets });
  return {
    subject: {
      name: `objects, ${strategy}`,
      pageSize: 7,
      ...(strategy === 'prefix'
        ? {}
        : {
            provision: async ({ tenant }) => {
              const made = client.send(new CreateBucketCommand({ Bucket: buckets.bucketOf(tenant.id) }));
              await made.catch((error: unknown) => {
                if (!(error instanceof Error && error.name.startsWith('BucketAlready'))) throw error;
              });
            },
          }),
      run: (context, work, signal) => {
        const own = storage.forTenant(context);
        return work({
          put: (key, value) => own.put(key, value, { signal }),
          get: async (key) => {
            const found = await own.get(key, { signal });
            return found === undefined ? undefined : new TextDecoder().decode(found.body);
          },
          delete: (key) => own.delete(key, { signal }),
          list: (prefix) =>
            all(async (cursor) => {
              const page = await own.list({ prefix, limit: 50, cursor, signal });
              return { found: page.objects.map(({ key }) => key), cursor: page.cursor };
            }),
          insert: (key, value) =>
            own.put(key, value, { ifNoneMatch: '*', signal }).then(
              () => true,
              (error: unknown) => {
                if (error instanceof Error && 'code' in error && error.code === 'conflict') return false;
                throw error;
              },
            ),
          copy: (from, to) => (from === to ? Promise.resolve() : own.copy(from, to, { signal })),
          clear: () => own.clear({ signal }),
        });
      },
    },
    async close() {
      client.destroy();
      await server.stop();
    },
  };
}

/** Files in folders, into which links are put. */
export async function openFolders(): Promise<Opened> {
  const root = await mkdtemp(join(tmpdir(), 'portcullis-kit-'));
  const storage = await folderStorage({ root, fsync: false });
  const folderOf = (id: string): string =>
    join(root, `t-${id.replace(/[^a-z0-9-]/g, (at) => `_${at.charCodeAt(0).toString(16).padStart(2, '0')}`)}`);
  return {
    subject: {
      name: 'folders',
      run: (context, work) => {
        const own = storage.forTenant(context);
        return work({
          put: (key, value) => own.put(key, value),
          get: async (key) => {
            const found = await own.get(key);
            return found === undefined ? undefined : new TextDecoder().decode(found);
          },
          delete: (key) => own.delete(key),
          list: (prefix) =>
            all(async (cursor) => {
              const page = await own.list({ prefix, limit: 50, cursor });
              return { found: page.keys, cursor: page.cursor };
            }),
          copy: (from, to) => (from === to ? Promise.resolve() : own.copy(from, to)),
          clear: () => own.clear(),
        });
      },
      plant: async (own, other) => {
        const [mine, theirs] = [folderOf(own.tenant.id), folderOf(other.tenant.id)];
        await rm(join(mine, 'f-soft'), { force: true });
        await rm(join(mine, 'f-hard'), { force: true });
        await rm(join(mine, 'd-folder'), { force: true });
        await symlink(join(theirs, 'f-k'), join(mine, 'f-soft'));
        await link(join(theirs, 'f-k'), join(mine, 'f-hard'));
        await symlink(theirs, join(mine, 'd-folder'));
        return ['soft', 'hard', 'folder/k'];
      },
    },
    async close() {
      await storage.close();
      await rm(root, { recursive: true });
    },
  };
}

async function all(
  page: (
    cursor: string | undefined,
  ) => Promise<{ readonly found: readonly string[]; readonly cursor: string | undefined }>,
): Promise<readonly string[]> {
  const keys: string[] = [];
  let cursor: string | undefined;
  do {
    const { found, cursor: next } = await page(cursor);
    keys.push(...found);
    cursor = next;
  } while (cursor !== undefined);
  return keys;
}
