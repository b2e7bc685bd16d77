import type { Evaluate } from './expression.js';
import { Hierarchy } from './hierarchy.js';
import type { Kind } from './kind.js';
import { found, KeyedMap } from './keyed-map.js';
import type { Free, Typed } from './typed.js';
import { Uint } from './uint.js';
import { Unsupported } from './unsupported.js';
import { failed, type CelResult, type CelValue } from './cel-value.js';
import { isList, isMap } from './value.js';

const withMembers: ReadonlySet<Kind> = new Set<Kind>(['dyn', 'null', 'map']);
const withItems: ReadonlySet<Kind> = new Set<Kind>(['dyn', 'null', 'map', 'list', 'hierarchy']);

/** `value.name` */
export function select({ evaluate, kind, isUnknown, free }: Typed, name: string): Typed {
  refuse(kind, withMembers, `\`.${name}\``);
  return {
    evaluate: (activation) => {
      const value = evaluate(activation);
      if (isMap(value)) return Object.hasOwn(value, name) ? (value[name] ?? null) : failed;
      const item = value instanceof KeyedMap ? value.find(name) : undefined;
      return item === undefined ? failed : item;
    },
    kind: 'dyn',
    isUnknown,
    // Of a member itself, Cerbos takes the fields for what they are.
    free: free === 'within' ? free : undefined,
  };
}

/** `has(value.name)`. A scalar has no member: that is no failure, as reading it would be. */
export function presence({ evaluate, kind }: Typed, name: string): Evaluate {
  refuse(kind, withMembers, `\`has\` with \`.${name}\``);
  return (activation) => {
    const value = evaluate(activation);
    if (value === failed || isList(value) || value instanceof Hierarchy) return failed;
    return found(value, name) !== undefined;
  };
}

/** `value[key]` */
export function index(value: Typed, key: Typed): Typed {
  refuse(value.kind, withItems, 'an index');
  const [container, at] = [value.evaluate, key.evaluate];
  return {
    evaluate: (activation) => {
      const of = container(activation);
      if (of === failed) return failed;
      const position = at(activation);
      return position === failed ? failed : itemAt(of, position);
    },
    kind: value.kind === 'hierarchy' ? 'string' : (value.item ?? 'dyn'),
    isUnknown: value.isUnknown,
    free: freeIn(value, key),
  };
}

/**
 * Where both are unknown, or the key is an int, which may be an index as well, Cerbos knows nothing of the member either.
 * Where Cerbos may know more of one of them than is known here, it may be such a member.
 */
function freeIn({ kind, free, isUnknown }: Typed, key: Typed): Free | undefined {
  if (free !== undefined) return free;
  if (kind !== 'dyn') return undefined;
  if (onlyKeys.has(key.kind)) return isUnknown === true ? 'member' : 'within';
  return key.kind === 'dyn' && (key.isUnknown !== true || key.free !== undefined) ? 'within' : undefined;
}

const onlyKeys: ReadonlySet<Kind> = new Set<Kind>(['string', 'bool', 'uint']);

function itemAt(container: CelValue, key: CelValue): CelResult {
  if (isList(container)) return inList(container, key);
  if (container instanceof Hierarchy) return typeof key === 'bigint' ? inList(container.parts, key) : failed;
  const member = found(container, key);
  return member === undefined ? failed : member;
}

/** A double without a fraction is an index too: all numbers of attributes are doubles. */
function inList(items: readonly CelValue[], key: CelValue): CelResult {
  const position = key instanceof Uint ? key.value : key;
  if (typeof position !== 'bigint' && !(typeof position === 'number' && Number.isInteger(position))) return failed;
  const at = Number(position);
  return at >= 0 && at < items.length ? (items[at] ?? null) : failed;
}

function refuse(kind: Kind, allowed: ReadonlySet<Kind>, what: string): void {
  if (!allowed.has(kind)) throw new Unsupported(`a value of type ${kind} has no ${what}`);
}
