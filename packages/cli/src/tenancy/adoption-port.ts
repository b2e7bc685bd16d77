/** How much there is. */
type Counts = Readonly<Record<string, number>>;

/** A step's part of a report, as much of it as is told. */
export interface StepReport {
  readonly step: string;
  readonly counts: Counts;
  readonly plan?:
    | {
        readonly does: readonly string[];
        readonly obstacles: readonly { readonly what: string; readonly why: string }[];
        readonly exposedTo?: readonly string[] | undefined;
        readonly locks?:
          readonly { readonly what: string; readonly lock: string; readonly until: string }[] | undefined;
        readonly sql?: string | undefined;
      }
    | undefined;
}

/** What an action did, or would do. */
export interface AdoptionReport {
  readonly tenant: string;
  readonly action: Action;
  readonly state: string;
  readonly steps: readonly StepReport[];
}

export type Action = 'run' | 'finish' | 'undo';

/** How far an action is. */
export interface Progress {
  readonly step: string;
  readonly index: number;
  readonly of: number;
  readonly state: string;
  readonly counts?: Counts | undefined;
}

/** What an action may do besides, and whom it tells. */
export interface ActionOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly acceptDeleted?: boolean | undefined;
  readonly mixTenants?: boolean | undefined;
  readonly inexact?: boolean | undefined;
  readonly onConflict?: 'tenant' | 'original' | undefined;
}

/** As much as is needed of what `adoption(…)` of `@portcullis/storage/adoption` gives. */
export interface AdoptionPort {
  dryRun(options: ActionOptions & { readonly action: Action }): Promise<AdoptionReport>;
  run(options: ActionOptions): Promise<AdoptionReport>;
  finish(options: ActionOptions): Promise<AdoptionReport>;
  undo(options: ActionOptions): Promise<AdoptionReport>;
}
