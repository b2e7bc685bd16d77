import { CelObject, failed, type CelValue } from './cel-value.js';
import type { Work } from './work.js';

/** A path such as `acme.sales.emea`, which Cerbos compares part by part. */
export class Hierarchy extends CelObject {
  readonly type = 'cerbos.lib.hierarchy';
  readonly parts: readonly string[];

  constructor(parts: readonly string[]) {
    super();
    this.parts = parts;
  }

  override equals(other: CelValue, work?: Work): boolean | typeof failed {
    if (!(other instanceof Hierarchy)) return failed;
    work?.spend(this.parts.length);
    return this.parts.length === other.parts.length && this.startsWith(other.parts);
  }

  override toJson(): undefined {
    return undefined;
  }

  /** Whether the first parts are these. */
  startsWith(parts: readonly string[]): boolean {
    return parts.every((part, index) => this.parts[index] === part);
  }
}
