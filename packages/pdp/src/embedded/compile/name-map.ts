/** How many names are compared one after the other. */
const few = 8;

interface Entry<T> {
  readonly name: string;
  value: T;
  next: Entry<T> | undefined;
}

/**
 * Things by name, none of them undefined, in the order in which they came, as a Map has them. A few are a chain: a Map
 * of one thing lies in four places of the memory, and with many policies none of them is in the processor's cache when
 * a question comes.
 */
export class NameMap<T> {
  private first: Entry<T> | undefined = undefined;
  /** All of them, where they are more than a few. */
  private many: Map<string, T> | undefined = undefined;

  get(name: string): T | undefined {
    if (this.many !== undefined) return this.many.get(name);
    for (let entry = this.first; entry !== undefined; entry = entry.next) if (entry.name === name) return entry.value;
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  set(name: string, value: T): void {
    if (this.many !== undefined) {
      this.many.set(name, value);
      return;
    }
    let length = 1;
    let last: Entry<T> | undefined;
    for (let entry = this.first; entry !== undefined; entry = entry.next, length++) {
      if (entry.name === name) {
        entry.value = value;
        return;
      }
      last = entry;
    }
    const entry = { name, value, next: undefined };
    if (last === undefined) this.first = entry;
    else last.next = entry;
    if (length > few) this.many = new Map(this);
  }

  *[Symbol.iterator](): Generator<readonly [string, T], void, undefined> {
    if (this.many !== undefined) yield* this.many;
    else for (let entry = this.first; entry !== undefined; entry = entry.next) yield [entry.name, entry.value];
  }
}
