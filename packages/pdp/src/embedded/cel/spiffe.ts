import { CelObject, failed, type CelValue } from './cel-value.js';
import { Unanswerable } from './unanswerable.js';
import type { Work } from './work.js';

/** The name of a SPIFFE trust domain. */
export class SpiffeTrustDomain extends CelObject {
  readonly type = 'cerbos.lib.spiffeTrustDomain';
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }

  override equals(other: CelValue, work?: Work): boolean | typeof failed {
    if (other instanceof SpiffeTrustDomain) return this.isSame(other, work);
    if (typeof other === 'string') work?.spend(other.length >> 2);
    return typeof other === 'string' ? parseTrustDomain(other)?.name === this.name : failed;
  }

  /** Whether the two are one. */
  isSame(other: SpiffeTrustDomain, work: Work | undefined): boolean {
    work?.spendText(this.name.length);
    return other.name === this.name;
  }

  override compare(): never {
    throw new Unanswerable('SPIFFE trust domains are put in order');
  }

  override toJson(): undefined {
    return undefined;
  }
}

/** The id of a workload. */
export class SpiffeId extends CelObject {
  readonly type = 'cerbos.lib.spiffeID';
  readonly trustDomain: SpiffeTrustDomain;
  readonly path: string;

  constructor(trustDomain: SpiffeTrustDomain, path: string) {
    super();
    this.trustDomain = trustDomain;
    this.path = path;
  }

  override equals(other: CelValue, work?: Work): boolean | typeof failed {
    work?.spendText(this.trustDomain.name.length + this.path.length);
    if (other instanceof SpiffeId) return other.toString() === this.toString();
    return typeof other === 'string' ? other === this.toString() : failed;
  }

  override toString(): string {
    return `spiffe://${this.trustDomain.name}${this.path}`;
  }

  override toJson(): undefined {
    return undefined;
  }
}

/** What ids are matched with. */
export class SpiffeMatcher extends CelObject {
  readonly type = 'cerbos.lib.spiffeMatcher';
  readonly matches: (id: SpiffeId, work: Work) => boolean;

  constructor(matches: (id: SpiffeId, work: Work) => boolean) {
    super();
    this.matches = matches;
  }

  override equals(): boolean {
    return false;
  }

  override toJson(): undefined {
    return undefined;
  }
}

const domainForm = /^[a-z\d._-]+$/;

/**
 * Reads the id of a workload.
 *
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  const [, domain, path = ''] = /^spiffe:\/\/([^/]*)(\/.*)?$/s.exec(text) ?? [];
  if (domain === undefined || !domainForm.test(domain) || !isPath(path)) return undefined;
  return new SpiffeId(new SpiffeTrustDomain(domain), path);
}

function isPath(path: string): boolean {
  if (path === '') return true;
  const segments = path.slice(1).split('/');
  return segments.every((segment) => /^[A-Za-z\d._-]+$/.test(segment) && segment !== '.' && segment !== '..');
}

/** A trust domain by its name, or by an id within it. */
export function parseTrustDomain(text: string): SpiffeTrustDomain | undefined {
  if (text.includes(':/')) return parseSpiffeId(text)?.trustDomain;
  return domainForm.test(text) ? new SpiffeTrustDomain(text) : undefined;
}
