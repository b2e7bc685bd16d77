import type { TenantId } from '@portcullis/core';
import type { UsageBatch, UsageEntry } from './usage-entry.js';

/** Where counts are flushed to. */
export interface UsageSink {
  /**
   * Adds a batch, once: a batch whose sequence is not above the last one of its writer changes nothing. A writer sends
   * one batch at a time and repeats it until it is kept, so that an answer that was lost counts nothing twice.
   *
   * Resolves when it is kept.
   */
  add(batch: UsageBatch): Promise<void>;
}

/** Where reports are read from. */
export interface UsageSource {
  /**
   * The entries of one tenant.
   *
   * @param from - the first UTC day, as `2026-05-01`
   * @param to - the last one, included
   */
  read(tenant: TenantId, from: string, to: string): AsyncIterable<UsageEntry>;
}

/** Both. */
export interface UsageStore extends UsageSink, UsageSource {}
