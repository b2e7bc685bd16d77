import type { Obstacle } from '../adoption-step.js';
import type { SideBySide } from './side-by-side.js';

/** All that a walk has found, each list in order. */
export interface Survey {
  readonly originals: readonly string[];
  readonly copies: readonly string[];
  readonly obstacles: readonly Obstacle[];
}

/** Walks a store once, before anything is written into it. Keys are held in memory, values are not. */
export async function survey(place: SideBySide, signal: AbortSignal): Promise<Survey> {
  const keys = { original: new Set<string>(), copy: new Set<string>() };
  const obstacles = new Map<string, Obstacle>();
  for await (const found of place.walk(signal)) {
    signal.throwIfAborted();
    if (found.side === 'obstacle') obstacles.set(found.key, { what: found.key, why: found.why });
    else keys[found.side].add(found.key);
  }
  return { originals: [...keys.original].sort(), copies: [...keys.copy].sort(), obstacles: [...obstacles.values()] };
}

const atOnce = 16;

/** Works on keys, a few at once. @param each - what is to be done; the next few wait until all of these are done */
export async function inBatches<T>(
  keys: readonly string[],
  signal: AbortSignal,
  each: (key: string) => Promise<T>,
  after: (batch: readonly T[]) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (let at = 0; at < keys.length; at += atOnce) {
    signal.throwIfAborted();
    await after(await Promise.all(keys.slice(at, at + atOnce).map(each)));
  }
}
