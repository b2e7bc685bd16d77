import { Bytes } from './bytes.js';
import { Duration } from './duration.js';
import { Hierarchy } from './hierarchy.js';
import { KeyedMap } from './keyed-map.js';
import { SpiffeId, SpiffeMatcher, SpiffeTrustDomain } from './spiffe.js';
import { Timestamp } from './timestamp.js';
import { TypeValue } from './type-value.js';
import { Uint } from './uint.js';
import type { CelMap, CelValue } from './cel-value.js';
import { isMap } from './value.js';

/** What a parameter of a function may be. */
export interface Kinds {
  readonly dyn: CelValue;
  readonly string: string;
  readonly int: bigint;
  readonly uint: Uint;
  readonly double: number;
  readonly bool: boolean;
  readonly bytes: Bytes;
  readonly null: null;
  readonly list: readonly CelValue[];
  readonly map: CelMap | KeyedMap;
  readonly timestamp: Timestamp;
  readonly duration: Duration;
  readonly type: TypeValue;
  readonly hierarchy: Hierarchy;
  readonly spiffeId: SpiffeId;
  readonly spiffeTrustDomain: SpiffeTrustDomain;
  readonly spiffeMatcher: SpiffeMatcher;
}

export type Kind = keyof Kinds;

/** Whether a value is of a kind. */
export const isOfKind: { readonly [K in Kind]: (value: CelValue) => value is Kinds[K] } = {
  dyn: (_value): _value is CelValue => true,
  string: (value) => typeof value === 'string',
  int: (value) => typeof value === 'bigint',
  uint: (value) => value instanceof Uint,
  double: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  bytes: (value) => value instanceof Bytes,
  null: (value) => value === null,
  list: (value): value is readonly CelValue[] => Array.isArray(value),
  map: (value) => isMap(value) || value instanceof KeyedMap,
  timestamp: (value) => value instanceof Timestamp,
  duration: (value) => value instanceof Duration,
  type: (value) => value instanceof TypeValue,
  hierarchy: (value) => value instanceof Hierarchy,
  spiffeId: (value) => value instanceof SpiffeId,
  spiffeTrustDomain: (value) => value instanceof SpiffeTrustDomain,
  spiffeMatcher: (value) => value instanceof SpiffeMatcher,
};

/**
 * Whether what is known of a value before it is there allows it to be of a kind. As in Cerbos's checker, null may stand
 * for anything.
 */
export function mayBe(known: Kind, kind: Kind): boolean {
  return known === kind || known === 'dyn' || known === 'null' || kind === 'dyn' || kind === 'null';
}
