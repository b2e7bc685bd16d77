import { PortcullisError, withDeadline } from '@portcullis/core';
import { changeIn, messageOf, type Invalidations, type TenantChange } from './invalidations.js';

/** As much of a node-redis client as is needed. */
export interface RedisPubSubClient {
  duplicate(): RedisPubSubClient;
  connect(): Promise<unknown>;
  destroy(): void;
  readonly isOpen: boolean;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  sendCommand(args: readonly string[], options?: { readonly abortSignal?: AbortSignal }): Promise<unknown>;
  on(event: 'ready', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** How replicas talk over Redis. */
export interface RedisInvalidationsOptions {
  /** A node-redis client, as `new KeyvRedis(url).client`: two connections are made like it, and it is left alone. */
  readonly client: RedisPubSubClient;
  /** @defaultValue `portcullis:tenants` */
  readonly channel?: string | undefined;
  /** How long telling may take, in milliseconds. @defaultValue 500 */
  readonly timeoutMs?: number | undefined;
  /** Is told of interruptions. They end by themselves. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** How long to wait before a connection that could not be made is tried again. */
const retryMs = 1000;

/**
 * Tells replicas of one another's changes by Redis pub/sub. Pub/sub keeps nothing for those who do not listen: after an
 * interruption everything is forgotten.
 *
 * @example
 * ```ts
 * import type { TenantStore } from '@portcullis/tenants';
 * import { registry } from '@portcullis/tenants';
 * import { redisInvalidations, type RedisPubSubClient } from '@portcullis/tenants/redis';
 *
 * const sharedRegistry = (store: TenantStore, client: RedisPubSubClient) =>
 *   registry({ store, invalidations: redisInvalidations({ client }) });
 * ```
 */
export function redisInvalidations(options: RedisInvalidationsOptions): Invalidations {
  const { channel = 'portcullis:tenants', timeoutMs = 500, onError = () => undefined } = options;
  const listeners = new Set<(change: TenantChange | 'unknown') => void>();
  const tellAll = (change: TenantChange | 'unknown'): void => {
    for (const listener of listeners) listener(change);
  };
  const publisher = options.client.duplicate();
  publisher.on('error', onError);
  let listening: RedisPubSubClient | undefined;
  let opening: Promise<unknown> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  /** Once it is connected the client keeps itself so; until then every use tries. */
  async function opened(): Promise<RedisPubSubClient> {
    if (opening === undefined && !publisher.isOpen) {
      opening = publisher.connect().finally(() => (opening = undefined));
    }
    await opening;
    return publisher;
  }

  function listen(): void {
    const client = options.client.duplicate();
    listening = client;
    client.on('error', onError);
    // `ready` comes after a client that was connected before has subscribed again.
    client.on('ready', () => {
      tellAll('unknown');
    });
    const begun = async (): Promise<void> => {
      await client.connect();
      await client.subscribe(channel, (message) => {
        tellAll(changeIn(message));
      });
      tellAll('unknown');
    };
    begun().catch((error: unknown) => {
      onError(error);
      if (client.isOpen) client.destroy();
      // The client was told not to try again by itself.
      if (!closed) retry = setTimeout(listen, retryMs).unref();
    });
  }

  return {
    async publish(change) {
      const abortSignal = AbortSignal.timeout(timeoutMs);
      const send = async (): Promise<unknown> =>
        (await opened()).sendCommand(['PUBLISH', channel, messageOf(change)], { abortSignal });
      try {
        await withDeadline(send(), timeoutMs);
      } catch (cause) {
        throw new PortcullisError('store_unavailable', 'a change could not be told to the other replicas', { cause });
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      if (listening === undefined) listen();
      return () => listeners.delete(listener);
    },
    close() {
      closed = true;
      listeners.clear();
      clearTimeout(retry);
      for (const client of [publisher, listening]) if (client?.isOpen === true) client.destroy();
      return Promise.resolve();
    },
  };
}
