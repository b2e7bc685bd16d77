import { randomUUID } from 'node:crypto';
import { PortcullisError, type Clock, type TenantContext } from '@portcullis/core';
import type { GuardedServer } from '../transport/guard-server.js';

/** A session's transport: what is used of the SDK's web-standard streamable HTTP transport. */
interface SessionTransport {
  handleRequest(
    request: Request,
    options: { readonly authInfo: never; readonly parsedBody?: unknown },
  ): Promise<Response>;
  close(): Promise<void>;
}

/** A running session of the 2025 protocol era. */
export interface Session {
  readonly id: string;
  readonly transport: SessionTransport;
  readonly guarded: GuardedServer;
  readonly binding: string;
  usedAt: number;
}

/** How sessions are kept. */
export interface SessionOptions {
  /** How long a session may be idle, in milliseconds. @defaultValue 1800000 */
  readonly idleMs?: number | undefined;
  /** The most sessions at one time. @defaultValue 10000 */
  readonly maxSessions?: number | undefined;
}

/**
 * The open sessions. A session id is no credential: each is bound to the identity, the client and the tenant that
 * opened it, and to anyone else it does not exist.
 *
 * @see MCP security best practices, "Session hijacking"
 */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #idleMs: number;
  readonly #maxSessions: number;
  readonly #clock: Clock;

  constructor(options: SessionOptions, clock: Clock) {
    this.#idleMs = options.idleMs ?? 1_800_000;
    this.#maxSessions = options.maxSessions ?? 10_000;
    this.#clock = clock;
  }

  /** A session id that cannot be guessed. */
  newId(): string {
    return randomUUID();
  }

  /**
   * Opens a session.
   *
   * @throws PortcullisError `limit_exceeded` when too many are open
   */
  async open(session: Omit<Session, 'binding' | 'usedAt'>, context: TenantContext): Promise<void> {
    await this.#closeIdle();
    if (this.#sessions.size >= this.#maxSessions) {
      throw new PortcullisError('limit_exceeded', 'too many sessions are open', { data: { limit: 'sessions' } });
    }
    this.#sessions.set(session.id, { ...session, binding: bindingOf(context), usedAt: this.#clock() });
  }

  /**
   * The session of this id, for this caller.
   *
   * @throws PortcullisError `session_unknown` when there is none, or it is another caller's
   */
  find(id: string, context: TenantContext): Session {
    const session = this.#sessions.get(id);
    if (session === undefined || this.#clock() - session.usedAt > this.#idleMs) {
      throw new PortcullisError('session_unknown');
    }
    if (session.binding !== bindingOf(context)) {
      throw new PortcullisError('session_unknown', undefined, {
        detail: 'the session belongs to another identity or tenant',
      });
    }
    session.usedAt = this.#clock();
    return session;
  }

  /** Ends one session. */
  async end(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    await session?.transport.close();
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.keys()].map((id) => this.end(id)));
  }

  async #closeIdle(): Promise<void> {
    const now = this.#clock();
    const idle = [...this.#sessions.values()].filter(({ usedAt }) => now - usedAt > this.#idleMs);
    await Promise.all(idle.map(({ id }) => this.end(id)));
  }
}

function bindingOf({ identity, tenant }: TenantContext): string {
  return JSON.stringify([identity.key, identity.clientId ?? null, tenant.id]);
}
