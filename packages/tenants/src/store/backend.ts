/** What a commit relies on: the text under a key, or that there is none. */
interface Check {
  readonly key: string;
  /** `undefined`: there has to be none. */
  readonly text: string | undefined;
}

/** A text that is stored under a key, or removed from it. */
export interface Write {
  readonly key: string;
  /** `undefined` removes it. */
  readonly text: string | undefined;
}

/** A member that is put into an ordered set, or taken out of it. Sets are there when they have a member. */
export interface SetWrite {
  readonly set: string;
  readonly member: string;
  readonly present: boolean;
}

/** All that one transaction relies on and changes. */
export interface Commit {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
  readonly sets: readonly SetWrite[];
}

/** Which part of an ordered set to read. */
export interface Range {
  /** Begin behind this text, which need not be in the set; in front of it where `reverse` is set. */
  readonly after?: string | undefined;
  readonly reverse?: boolean | undefined;
  readonly limit: number;
}

/**
 * The little that a store needs of a database: texts by key, ordered sets of texts, and one atomic change.
 *
 * Texts are well-formed Unicode. Sets are ordered by code point, which is the order of their UTF-8 bytes. A failure
 * rejects, and never looks like absence; after a `commit` that rejects it is unknown whether it was made.
 */
export interface Backend {
  /** The texts under the keys, in the order of the keys. */
  read(keys: readonly string[]): Promise<readonly (string | undefined)[]>;
  range(set: string, range: Range): Promise<readonly string[]>;
  /** Makes all changes when all checks hold, at one instant. `false`: a check does not hold, and nothing was changed. */
  commit(commit: Commit): Promise<boolean>;
  close(): Promise<void>;
}
