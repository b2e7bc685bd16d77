import type { TenantId } from '@portcullis/core';
import { refused } from '../../access.js';
import type { AdoptionCall, AdoptionCounts, AdoptionPlan, AdoptionStep, Obstacle } from '../adoption-step.js';
import { copyNotes } from './copy-notes.js';
import { finishCopies, lookAtOriginals } from './finish-copies.js';
import { makeCopies } from './make-copies.js';
import type { SideBySide } from './side-by-side.js';
import { survey } from './survey.js';
import { tenantsOfPrefixes } from './tenants-of-prefixes.js';
import { lookAtBothSides, requireNoConflicts, takeCopiesBack } from './take-copies-back.js';

/** How what cannot be a tenant's is dealt with. */
export interface ObstacleOptions {
  /** `refuse`: nothing is moved until they are gone. `skip`: they stay where they are, and are told. @defaultValue `refuse` */
  readonly obstacles?: 'refuse' | 'skip' | undefined;
}

/** @throws PortcullisError `storage_refused`, whose `detail` names the first of them */
export function requireNone(
  step: string,
  obstacles: readonly Obstacle[],
  { obstacles: how = 'refuse' }: ObstacleOptions,
): void {
  if (how === 'skip' || obstacles.length === 0) return;
  throw refused(
    `\`${step}\`: ${String(obstacles.length)} cannot be the tenant’s; rename or remove them, or say \`obstacles: 'skip'\`: ${obstacles
      .slice(0, 20)
      .map(({ what, why }) => `\`${what}\` (${why})`)
      .join(', ')}`,
  );
}

/** A step over a store in which both sides can be at once: copy and compare, delete later, or go back. */
export function copyingStep(
  name: string,
  open: (tenant: TenantId) => SideBySide,
  options: ObstacleOptions & { readonly what: string },
): AdoptionStep {
  const counted = (counts: AdoptionCounts, obstacles: readonly Obstacle[]): AdoptionCounts =>
    obstacles.length === 0 ? counts : { ...counts, skipped: obstacles.length };

  async function plan(call: AdoptionCall, action: 'run' | 'finish' | 'undo'): Promise<AdoptionPlan> {
    const place = open(call.tenant);
    const notes = await copyNotes(call.ledger);
    const found = await survey(place, call.signal);
    const { obstacles } = found;
    if (action === 'run') {
      const left = found.originals.filter((key) => !notes.copied.has(key)).length;
      const taken = !notes.begun && found.copies.length > 0 ? [tenantHasSome(found.copies)] : [];
      return {
        does: [`copies ${String(left)} ${options.what} to the tenant’s prefix, and compares each`],
        counts: counted({ toCopy: left }, obstacles),
        exposedTo: place.apart === true ? [] : tenantsOfPrefixes(found.originals),
        obstacles: [...taken, ...obstacles],
      };
    }
    if (action === 'finish') {
      const { changed, gone, there } = await lookAtOriginals(place, found, notes, call.signal);
      return {
        does: [`deletes ${String(there.length)} ${options.what} that have been copied`],
        counts: { toDelete: there.length, gone: gone.length },
        obstacles: [
          ...changed.map((key) => ({ what: key, why: 'was written after it had been copied' })),
          ...obstacles,
        ],
      };
    }
    const { conflicts, toWrite } = await lookAtBothSides(place, found, notes, call.signal);
    return {
      does: [
        `brings back ${String(toWrite.length)} ${options.what}, and deletes ${String(found.copies.length)} of the tenant’s`,
      ],
      counts: { toBringBack: toWrite.length, toDelete: found.copies.length },
      obstacles: conflicts.map((key) => ({ what: key, why: 'was written on both sides since: say `onConflict`' })),
    };
  }

  return {
    name,
    plan,
    async run(call) {
      const place = open(call.tenant);
      const found = await survey(place, call.signal);
      requireNone(name, found.obstacles, options);
      return counted(await makeCopies(place, found, call), found.obstacles);
    },
    async finish(call, how) {
      return finishCopies(open(call.tenant), call, how);
    },
    beforeUndo: (call, how) => requireNoConflicts(open(call.tenant), call, how),
    async undo(call, how) {
      return takeCopiesBack(open(call.tenant), call, how);
    },
  };
}

function tenantHasSome(copies: readonly string[]): Obstacle {
  return { what: copies[0] ?? '', why: 'the tenant has this already: it is not a tenant for adoption' };
}
