import { RE2JS } from 're2js';
import { Unanswerable } from './unanswerable.js';
import type { Work } from './work.js';

/** A pattern of Go's syntax, which is matched in time that grows with the text alone. */
export interface RegularExpression {
  matches(text: string, work: Work): boolean;
}

/** How long a pattern may be that comes with a question, in characters. */
const maxPattern = 200;
/** How large it may be once its repetitions are written out. */
const maxProgram = 2000;
/** How many patterns of questions are kept. */
const maxKept = 100;

const kept = new Map<string, RegularExpression | undefined>();

/** Compiles a pattern; `undefined` where it is none. */
export function regularExpression(pattern: string): RegularExpression | undefined {
  const compiled = compiledOf(pattern);
  if (compiled === undefined) return undefined;
  const size = compiled.programSize();
  return {
    matches: (text, work) => {
      work.spend(1 + Math.ceil((text.length * (8 + size)) / 64));
      return compiled.test(text);
    },
  };
}

/**
 * Compiles a pattern that comes with a question, and keeps it for the next one.
 *
 * @throws Unanswerable for one that is long, or repeats much
 */
export function boundedRegularExpression(pattern: string, work: Work): RegularExpression | undefined {
  if (kept.has(pattern)) return kept.get(pattern);
  if (pattern.length > maxPattern || repetitions(pattern) > maxProgram)
    throw new Unanswerable('the pattern that comes with the question is too large');
  work.spend(1000);
  const expression = regularExpression(pattern);
  if (kept.size >= maxKept) kept.clear();
  kept.set(pattern, expression);
  return expression;
}

/** How large a pattern can become, at most, by its counted repetitions. */
function repetitions(pattern: string): number {
  let size = pattern.length;
  for (const [, least = '', most = ''] of pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g))
    size *= Math.max(Number(least), Number(most), 1);
  return size;
}

function compiledOf(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}
