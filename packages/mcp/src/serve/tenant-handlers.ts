import type { McpHttpHandler } from '@modelcontextprotocol/server';
import type { TenantId } from '@portcullis/core';

interface Entry {
  readonly handler: McpHttpHandler;
  /** Exchanges that are open on it. */
  open: number;
}

/**
 * One SDK handler for each tenant, so that no subscription bus is shared between tenants. Beyond `max`, the one that was
 * not used for longest is closed, unless exchanges are open on it.
 */
export class TenantHandlers {
  readonly #entries = new Map<TenantId, Entry>();
  readonly #create: () => McpHttpHandler;
  readonly #max: number;

  constructor(create: () => McpHttpHandler, max: number) {
    this.#create = create;
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The handler of a tenant. Call `done` once for each `use`, when the exchange is over. */
  use(tenant: TenantId): { readonly handler: McpHttpHandler; readonly done: () => void } {
    const entry = this.#entries.get(tenant) ?? { handler: this.#create(), open: 0 };
    this.#entries.delete(tenant);
    this.#entries.set(tenant, entry);
    entry.open++;
    this.#evict();
    return {
      handler: entry.handler,
      done: () => {
        entry.open--;
        this.#evict();
      },
    };
  }

  /** Closes all. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(({ handler }) => handler.close()));
  }

  #evict(): void {
    for (const [tenant, { handler, open }] of this.#entries) {
      if (this.#entries.size <= this.#max) return;
      if (open > 0) continue;
      this.#entries.delete(tenant);
      void handler.close().catch(() => undefined);
    }
  }
}
