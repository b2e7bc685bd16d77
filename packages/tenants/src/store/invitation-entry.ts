import type { Invitation } from '../membership/invitation.js';

/** An invitation among those of its tenant, which are ordered by when they expire. */
export function invitationEntry({ id, expiresAt }: Pick<Invitation, 'id' | 'expiresAt'>): string {
  return `${String(expiresAt).padStart(16, '0')}${id}`;
}

/** Behind all that have expired, in front of those that are open. At the very instant at which it ends, it has ended. */
export function expiredAt(now: number): string {
  return `${String(now).padStart(16, '0')}\u{10ffff}`;
}

/** The id of an invitation, from its entry. */
export function invitationIdOf(entry: string): string {
  return entry.slice(16);
}
