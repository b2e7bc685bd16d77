import type { TenantId } from './tenant-id.js';

/** An MCP session that is open, as those who administer a tenant see it. */
export interface SessionInfo {
  readonly tenant: TenantId;
  /** A name for the session. It is not the session id, with which one could go on with the session. */
  readonly id: string;
  /** `Identity.key`. */
  readonly user: string;
  readonly client?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly openedAt: number;
}

/**
 * Which sessions are open, on all replicas. A session lives on one replica; whoever ends it may be on another.
 *
 * A directory that cannot be read rejects with `store_unavailable`.
 */
export interface SessionDirectory {
  /** Notes an open session, and notes it again while it stays open: what is not noted again is forgotten. */
  note(sessions: readonly SessionInfo[]): Promise<void>;
  /** Forgets a session. */
  remove(tenant: TenantId, id: string): Promise<void>;
  /** The open sessions of a tenant, ordered by when they were opened. */
  list(tenant: TenantId): Promise<readonly SessionInfo[]>;
  /** Has the replica that holds the session end it. */
  end(tenant: TenantId, id: string): Promise<void>;
  /** Hears of the sessions that are to be ended. */
  onEnd(listener: (tenant: TenantId, id: string) => void): void;
  close(): Promise<void>;
}
