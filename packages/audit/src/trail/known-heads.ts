import { PortcullisError } from '@portcullis/core';
import { nothingAdded } from '../nothing-added.js';
import { isNotBehind } from './chain.js';
import type { TrailHead } from './record.js';

/** What this process itself has seen of the trails. */
export interface KnownHeads {
  /**
   * @throws PortcullisError `audit_unavailable` when a trail is shorter than it was, or its last record is another one
   */
  check(trail: string, head: TrailHead, known?: TrailHead): void;
  /** @returns `undefined` where nothing is known, or it was forgotten */
  of(trail: string): TrailHead | undefined;
  /** Those of these trails of which something is known. */
  among(trails: readonly string[]): ReadonlyMap<string, TrailHead>;
  learn(trail: string, head: TrailHead): void;
}

/**
 * Remembers where trails stood, so that one that is cut or rewritten under a running process is noticed at once, and
 * not continued or signed as if nothing had happened.
 *
 * @param most - of how many trails; the one that was not used for the longest time is forgotten first
 */
export function knownHeads(most = 20_000): KnownHeads {
  const heads = new Map<string, TrailHead>();
  return {
    of: (trail) => heads.get(trail),
    among(trails) {
      const found = new Map<string, TrailHead>();
      for (const trail of trails) {
        const head = heads.get(trail);
        if (head !== undefined) found.set(trail, head);
      }
      return found;
    },
    check(trail, head, known = heads.get(trail)) {
      if (known === undefined || isNotBehind(head, known)) return;
      const error = new PortcullisError('audit_unavailable', undefined, {
        detail: `the trail \`${trail}\` is not as this process left it: record ${String(known.seq)} is ${
          head.seq < known.seq ? 'gone' : 'another one'
        }; nothing is added to it until somebody has looked and this process is restarted`,
      });
      throw nothingAdded(error);
    },
    learn(trail, { seq, hash }) {
      // Two calls may end in another order than they wrote.
      const known = heads.get(trail);
      if (known !== undefined && known.seq > seq) return;
      heads.delete(trail);
      heads.set(trail, { seq, hash });
      const [oldest] = heads.keys();
      if (heads.size > most && oldest !== undefined) heads.delete(oldest);
    },
  };
}
