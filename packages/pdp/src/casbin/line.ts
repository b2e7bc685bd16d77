import { PortcullisError } from '@portcullis/core';

/** A line of a casbin policy. */
export interface PolicyLine {
  /** What it is: `p`, or a role definition as `g`. */
  readonly ptype: string;
  /** The fields after it. */
  readonly values: readonly string[];
  /** Where it stands, as `policy.csv:3`: for messages. */
  readonly place?: string | undefined;
}

/** A line as casbin writes it. */
export function lineText({ ptype, values }: PolicyLine): string {
  return [ptype, ...values].join(', ');
}

/** The error for something in a model or a policy that is not taken. */
export function refused(place: string, wrong: string, cause?: unknown): PortcullisError {
  return new PortcullisError('policies_invalid', `${place}: ${wrong}`, cause === undefined ? {} : { cause });
}
