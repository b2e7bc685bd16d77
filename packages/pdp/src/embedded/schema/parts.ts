import { regularExpression } from '../cel/regular-expression.js';
import type { CelValue } from '../cel/cel-value.js';
import type { Work } from '../cel/work.js';

/** A schema, or a part of it, that is not supported. */
export class UnsupportedSchema extends Error {
  override readonly name = 'UnsupportedSchema';
  /** The schema's file. */
  readonly file: string;
  /** Where in the file. */
  readonly path: readonly PropertyKey[];

  constructor({ file, path }: SchemaPlace, message: string) {
    super(message);
    this.file = file;
    this.path = path;
  }
}

/** Where in the schemas something stands. */
export interface SchemaPlace {
  readonly file: string;
  readonly path: readonly PropertyKey[];
}

/** RE2, as Cerbos has it: in time that is linear in the text, and anywhere in it. */
export function matcherAt(pattern: unknown, at: SchemaPlace): (text: string, work: Work) => boolean {
  if (typeof pattern !== 'string') throw new UnsupportedSchema(at, 'is a text');
  const expression = regularExpression(pattern);
  if (expression === undefined) throw new UnsupportedSchema(at, 'the pattern is none of RE2');
  return (text, work) => expression.matches(text, work);
}

/** A file of the folder, a way in a file, or both. */
const referenceForm = /^(?:cerbos:\/\/\/([\w.\-/]+))?(?:#((?:\/[^/#]*)*))?$/;

export function referenceAt(
  value: unknown,
  at: SchemaPlace,
): { readonly file: string; readonly path: readonly string[] } {
  const match = typeof value === 'string' ? referenceForm.exec(value) : null;
  if (match === null || match[0] === '')
    throw new UnsupportedSchema(at, 'only references to schemas of the folder, by path, are supported');
  const [, file, pointer = ''] = match;
  const names = pointer.split('/').slice(1);
  if (names.some((name) => name.includes('%')))
    throw new UnsupportedSchema(at, 'escapes in references are not supported');
  return { file: file ?? at.file, path: names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~')) };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(value: unknown, at: SchemaPlace): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw new UnsupportedSchema(at, 'is an object');
  return value;
}

export function listAt(value: unknown, at: SchemaPlace): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw new UnsupportedSchema(at, 'is a list of at least one');
  return value;
}

export function namesAt(value: unknown, at: SchemaPlace): readonly string[] {
  if (!Array.isArray(value)) throw new UnsupportedSchema(at, 'is a list of names');
  return value.map((name: unknown) => {
    if (typeof name !== 'string') throw new UnsupportedSchema(at, 'is a list of names');
    return name;
  });
}

export function countAt(value: unknown, at: SchemaPlace): number {
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw new UnsupportedSchema(at, 'is a count');
  return Number(value);
}

export function numberAt(value: unknown, at: SchemaPlace): number {
  if (typeof value !== 'number') throw new UnsupportedSchema(at, 'is a number');
  return exactAt(value, at);
}

/** Cerbos takes a number by its digits, and a double may have been rounded from more of them than fifteen. */
function exactAt(value: number, at: SchemaPlace): number {
  const isLarge = Math.abs(value) > Number.MAX_SAFE_INTEGER;
  if (isLarge && !/^-?\d(?:\.\d{1,14})?e/.test(value.toExponential()))
    throw new UnsupportedSchema(at, 'a number beyond 9007199254740991 with more than 15 digits is not supported');
  return value;
}

/** What JSON gave: there is nothing else in a schema. */
export function jsonAt(value: unknown, at: SchemaPlace): CelValue {
  if (typeof value === 'number') return exactAt(value, at);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map((item) => jsonAt(item, at));
  return Object.fromEntries(Object.entries(objectAt(value, at)).map(([name, member]) => [name, jsonAt(member, at)]));
}
