import type { SessionDirectory, SessionInfo, TenantId } from '@portcullis/core';

/** A session directory in this process's memory: for a single replica, and the default. */
export function memorySessions(): SessionDirectory {
  const open = new Map<string, SessionInfo>();
  const listeners = new Set<(tenant: TenantId, id: string) => void>();
  const keyOf = (tenant: TenantId, id: string): string => JSON.stringify([tenant, id]);
  return {
    note(sessions) {
      for (const session of sessions) open.set(keyOf(session.tenant, session.id), session);
      return Promise.resolve();
    },
    remove(tenant, id) {
      open.delete(keyOf(tenant, id));
      return Promise.resolve();
    },
    list: (tenant) =>
      Promise.resolve(
        [...open.values()]
          .filter((session) => session.tenant === tenant)
          .sort((a, b) => a.openedAt - b.openedAt || (a.id < b.id ? -1 : 1)),
      ),
    end(tenant, id) {
      for (const listener of listeners) listener(tenant, id);
      return Promise.resolve();
    },
    onEnd: (listener) => void listeners.add(listener),
    close() {
      listeners.clear();
      return Promise.resolve();
    },
  };
}
