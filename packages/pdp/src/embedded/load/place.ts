import { PortcullisError } from '@portcullis/core';

/** Where something stands in the policies: for messages. */
export interface Place {
  readonly file: string;
  /** The line of a part, by its path in the document; of the document's start where there is none. */
  lineOf(path: readonly PropertyKey[]): number;
}

/**
 * The error for policies that this engine does not take.
 *
 * @param construct - what it is, in lower case
 */
export function refusal(place: Place, path: readonly PropertyKey[], construct: string): PortcullisError {
  return new PortcullisError(
    'policies_invalid',
    `${place.file}:${String(place.lineOf(path))}: ${path.length === 0 ? '' : `\`${path.map(String).join('.')}\`: `}${construct}`,
  );
}
