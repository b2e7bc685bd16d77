import { createHash, randomUUID } from 'node:crypto';
import {
  PortcullisError,
  type CallPlace,
  type Clock,
  type Limiter,
  type SessionDirectory,
  type SessionInfo,
  type TenantContext,
} from '@portcullis/core';
import type { GuardedServer } from '../transport/guard-server.js';
import { memorySessions } from './memory-sessions.js';

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
  /** As those who administer the tenant see it. */
  readonly info: SessionInfo;
  /** Its place among the user's open sessions. */
  readonly place: CallPlace | undefined;
  usedAt: number;
}

/** How sessions are kept. */
export interface SessionOptions {
  /** How long a session may be idle, in milliseconds. @defaultValue 1800000 */
  readonly idleMs?: number | undefined;
  /** The most sessions at one time. @defaultValue 10000 */
  readonly maxSessions?: number | undefined;
  /** Where open sessions can be looked up and ended. @defaultValue this process's own */
  readonly directory?: SessionDirectory | undefined;
}

/** How often open sessions are noted in the directory: the bound within which one that is ended elsewhere ends. */
const noteMs = 5_000;

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
  readonly #limiter: Limiter | undefined;
  readonly #directory: SessionDirectory;
  readonly #onError: (error: unknown) => void;
  /** Ends idle sessions, and notes the others in the directory. */
  readonly #sweep: NodeJS.Timeout;

  constructor(
    options: SessionOptions,
    clock: Clock,
    limiter?: Limiter,
    onError: (error: Error) => void = () => undefined,
  ) {
    this.#limiter = limiter;
    this.#idleMs = options.idleMs ?? 1_800_000;
    this.#maxSessions = options.maxSessions ?? 10_000;
    this.#clock = clock;
    this.#directory = options.directory ?? memorySessions();
    this.#onError = (error) => {
      onError(error instanceof Error ? error : new Error(String(error)));
    };
    this.#directory.onEnd((tenant, id) => {
      for (const session of this.#sessions.values())
        if (session.info.tenant === tenant && session.info.id === id) this.end(session.id).catch(this.#onError);
    });
    this.#sweep = setInterval(() => {
      this.#closeIdle()
        .then(() => this.#directory.note([...this.#sessions.values()].map(({ info }) => info)))
        .catch(this.#onError);
    }, noteMs);
    this.#sweep.unref();
  }

  /** A session id that cannot be guessed. */
  newId(): string {
    return randomUUID();
  }

  /**
   * Opens a session.
   *
   * @throws PortcullisError `limit_exceeded` when too many are open; `quota_exceeded` when the user has too many,
   * `limits_unavailable`
   */
  async open(session: Omit<Session, 'binding' | 'usedAt' | 'place' | 'info'>, context: TenantContext): Promise<void> {
    await this.#closeIdle();
    if (this.#sessions.size >= this.#maxSessions) {
      throw new PortcullisError('limit_exceeded', 'too many sessions are open', { data: { limit: 'sessions' } });
    }
    const place = await this.#limiter?.session(context, session.id);
    const info = infoOf(session.id, context, this.#clock());
    try {
      // One that nobody could see or end is not opened.
      await this.#directory.note([info]);
    } catch (error) {
      await place?.release();
      throw error;
    }
    this.#sessions.set(session.id, { ...session, info, place, binding: bindingOf(context), usedAt: this.#clock() });
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
    if (session === undefined) return;
    await session.place?.release();
    await this.#directory.remove(session.info.tenant, session.info.id).catch(this.#onError);
    await session.transport.close();
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    await Promise.all([...this.#sessions.keys()].map((id) => this.end(id)));
  }

  async #closeIdle(): Promise<void> {
    const now = this.#clock();
    const idle = [...this.#sessions.values()].filter(({ usedAt }) => now - usedAt > this.#idleMs);
    await Promise.all(idle.map(({ id }) => this.end(id)));
  }
}

function bindingOf({ identity, tenant, impersonation }: TenantContext): string {
  return JSON.stringify([identity.key, identity.clientId ?? null, tenant.id, impersonation?.grant ?? null]);
}

function infoOf(id: string, { identity, tenant }: TenantContext, openedAt: number): SessionInfo {
  return {
    tenant: tenant.id,
    id: createHash('sha256').update(id).digest('base64url').slice(0, 22),
    user: identity.key,
    ...(identity.clientId === undefined ? {} : { client: identity.clientId }),
    openedAt,
  };
}
