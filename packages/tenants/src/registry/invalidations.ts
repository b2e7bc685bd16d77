import { z } from 'zod';
import { isTenantId, type TenantId } from '@portcullis/core';

/** What was changed: a tenant, or one user's place in it. */
export interface TenantChange {
  readonly tenant: TenantId;
  /** Present where nothing but this user's membership was changed. */
  readonly userId?: string | undefined;
}

/** What replicas tell one another, so that each forgets what another has changed. */
export interface Invalidations {
  /** Tells all replicas, this one included. Rejects when it could not be told. */
  publish(change: TenantChange): Promise<void>;
  /**
   * Calls the listener with what was changed, and with `unknown` whenever messages may have been missed: when listening
   * begins, and after each interruption.
   *
   * @returns ends it
   */
  subscribe(listener: (change: TenantChange | 'unknown') => void): () => void;
  close(): Promise<void>;
}

const messageSchema = z.strictObject({
  tenant: z.custom<TenantId>(isTenantId),
  userId: z.string().optional(),
});

/** A change as it is sent. */
export function messageOf({ tenant, userId }: TenantChange): string {
  return JSON.stringify({ tenant, userId });
}

/** Reads a message. One that is not understood may mean anything. */
export function changeIn(message: unknown): TenantChange | 'unknown' {
  try {
    return messageSchema.parse(JSON.parse(String(message)));
  } catch {
    return 'unknown';
  }
}
