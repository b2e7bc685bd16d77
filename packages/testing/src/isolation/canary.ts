import { createHash } from 'node:crypto';
import { inspect } from 'node:util';

const pattern = /cnry-([0-9a-f]{16})-(\d+)/g;

function mark(owner: string): string {
  return createHash('sha256').update(owner).digest('hex').slice(0, 16);
}

/** Values that name their owner, so that a tenant's data is known wherever it turns up. */
export interface Canaries {
  /** A new value of this owner's. */
  readonly next: (owner: string) => string;
  /** The owners of all values inside of something: rows, error messages, buffers. `unknown` for one that is not ours. */
  readonly ownersIn: (found: unknown) => ReadonlySet<string>;
  /** The same text with values as a reader wants them: `acme#1`. */
  readonly readable: (text: string) => string;
}

/** @param owners - all that there may be */
export function canaries(owners: readonly string[]): Canaries {
  const byMark = new Map(owners.map((owner) => [mark(owner), owner]));
  let count = 0;
  return {
    next: (owner) => `cnry-${mark(owner)}-${String(++count)}`,
    ownersIn: (found) =>
      new Set([...textOf(found).matchAll(pattern)].map(([, owner = '']) => byMark.get(owner) ?? 'unknown')),
    readable: (text) =>
      text.replace(pattern, (_all, owner: string, n: string) => `${byMark.get(owner) ?? 'unknown'}#${n}`),
  };
}

/** Everything that a value says, an error's causes and hidden fields included. */
function textOf(found: unknown): string {
  if (typeof found === 'string') return found;
  if (found instanceof Error) return errorText(found);
  if (found instanceof Uint8Array) return Buffer.from(found).toString('utf8');
  return inspect(found, { depth: 8, maxArrayLength: null, maxStringLength: null });
}

function errorText(error: Error): string {
  // What an error holds beside its text is shown to nobody by default: rows and connections are not looked at.
  const said = ['message', 'detail', 'hint', 'where'].map((field) => {
    const text: unknown = Object.getOwnPropertyDescriptor(error, field)?.value;
    return typeof text === 'string' ? text : '';
  });
  return [...said, error.cause === undefined ? '' : textOf(error.cause)].join('\n');
}
