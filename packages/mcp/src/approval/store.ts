import type { Clock } from '@portcullis/core';

/**
 * Remembers which approvals were used. With several replicas it has to be one that they share, and `use` has to be
 * atomic there (Redis: `SET key 1 NX PX ttl`).
 */
export interface ApprovalStore {
  /**
   * Uses an approval.
   *
   * @param id - the approval's id
   * @param expiresAt - when it may be forgotten, in milliseconds since the Unix epoch
   * @returns whether this was its first use; to reject is to refuse
   */
  use(id: string, expiresAt: number): Promise<boolean>;
}

/** An approval store for a single process. */
export function memoryApprovalStore(clock: Clock): ApprovalStore {
  const used = new Map<string, number>();
  return {
    use(id, expiresAt) {
      const now = clock();
      for (const [known, end] of used) {
        if (end > now) break;
        used.delete(known);
      }
      if (used.has(id)) return Promise.resolve(false);
      used.set(id, expiresAt);
      return Promise.resolve(true);
    },
  };
}
