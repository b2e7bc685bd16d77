import type { TenantId } from '@portcullis/core';
import type { Ledger } from './job/adoption-journal.js';

/** What an adoption does: move to the tenant, delete what the move left behind, move back. */
export type AdoptionAction = 'run' | 'finish' | 'undo';

/** How much there is: `{ tables: 3, rows: 1200 }`. */
export type AdoptionCounts = Readonly<Record<string, number>>;

/** Something that cannot be a tenant's as it is, and why. */
export interface Obstacle {
  /** The table, key or file, as its store names it. */
  readonly what: string;
  readonly why: string;
}

/** A lock that is taken, and for how long. */
export interface TakenLock {
  readonly what: string;
  readonly lock: string;
  /** In words: what it keeps out, and what its time grows with. */
  readonly until: string;
}

/** What an action would do to one store. */
export interface AdoptionPlan {
  /** A line each. */
  readonly does: readonly string[];
  readonly counts: AdoptionCounts;
  /** What keeps the action from running, or is left where it is. */
  readonly obstacles: readonly Obstacle[];
  /**
   * Tenants whose prefix is how some of the old keys begin: whoever had one of these ids would read them for as long as
   * the originals are there. Let none of them in before `finish`.
   */
  readonly exposedTo?: readonly string[] | undefined;
  readonly locks?: readonly TakenLock[] | undefined;
  /** The statements that would run, in order. */
  readonly sql?: string | undefined;
}

/** What the way back may do besides. All of it has to be said. */
export interface UndoOptions {
  /** Rows of other tenants stay in the tables, and are everybody's then. @defaultValue they keep the tables from it */
  readonly mixTenants?: boolean | undefined;
  /** Where a key or a file was written on both sides since: which of the two stays. @defaultValue neither is touched */
  readonly onConflict?: 'tenant' | 'original' | undefined;
  /** The tables were changed by somebody else since; undo the adoption, and leave that. @defaultValue `false` */
  readonly inexact?: boolean | undefined;
}

/** What `finish` may do besides. */
export interface FinishOptions {
  /** Originals are deleted also where the tenant's copy is gone. @defaultValue they keep `finish` from running */
  readonly acceptDeleted?: boolean | undefined;
}

/** For whom a step works, and with what. */
export interface AdoptionCall {
  readonly tenant: TenantId;
  /** Ends when the caller goes away or another worker has taken over. */
  readonly signal: AbortSignal;
  /** The step's own notes: they outlive a crash. */
  readonly ledger: Ledger;
  /** Says how far it is. */
  readonly progress: (counts: AdoptionCounts) => void;
}

/**
 * One store, on its way to being one tenant's.
 *
 * Each operation can be cut short at any point, be called again, and does then what it would have done. Rejections
 * carry a code: `storage_refused`, `storage_conflict`, `storage_unavailable`, `storage_unproven`.
 */
export interface AdoptionStep {
  /** Unique among the steps, and stable: the journal names it. `[a-z][a-z0-9-]*`. */
  readonly name: string;
  /** Says what an action would do. Changes nothing. */
  plan(call: AdoptionCall, action: AdoptionAction, how: UndoOptions): Promise<AdoptionPlan>;
  /** Makes the data the tenant's, and looks whether it is. Nothing is lost by it. */
  run(call: AdoptionCall): Promise<AdoptionCounts>;
  /** Deletes what `run` left in its old place. */
  finish(call: AdoptionCall, how: FinishOptions): Promise<AdoptionCounts>;
  /** Refuses a way back that would lose or mix something up, before any step has taken it. Changes nothing. */
  beforeUndo(call: AdoptionCall, how: UndoOptions): Promise<void>;
  /** Brings the data back to where it was, with what the tenant has written since. */
  undo(call: AdoptionCall, how: UndoOptions): Promise<AdoptionCounts>;
}
