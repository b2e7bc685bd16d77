import { CelObject, type CelValue } from './cel-value.js';

/** A type as a value: what `type()` gives, and what `int` and its like stand for. */
export class TypeValue extends CelObject {
  readonly type = 'type';
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  override equals(other: CelValue): boolean {
    return other instanceof TypeValue && other.name === this.name;
  }

  override toJson(): undefined {
    return undefined;
  }
}

/** The types that an expression can name. */
export const typeNames: ReadonlyMap<string, TypeValue> = new Map(
  [
    ...['bool', 'bytes', 'double', 'int', 'list', 'map', 'null_type', 'string', 'type', 'uint'],
    ...['google.protobuf.Timestamp', 'google.protobuf.Duration'],
  ].map((name) => [name, new TypeValue(name)]),
);

/** The type of a value. */
export function typeOf(value: CelValue): TypeValue {
  return new TypeValue(typeName(value));
}

function typeName(value: CelValue): string {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return 'double';
    case 'bigint':
      return 'int';
    case 'boolean':
      return 'bool';
    default:
      if (value === null) return 'null_type';
      if (value instanceof CelObject) return value.type;
      return Array.isArray(value) ? 'list' : 'map';
  }
}
