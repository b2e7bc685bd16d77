import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import {
  PortcullisError,
  systemClock,
  withDeadline,
  type Clock,
  type ConfigurationRecorder,
  type Tenant,
  type TenantId,
} from '@portcullis/core';
import { normalDomain } from '../store/record.js';
import type { TenantStore } from '../store/store.js';
import { authorityIn, recorded, type Actor, type Authority } from './actor.js';
import type { DomainClaim } from './domain-claim.js';
import { isPublicDomain } from './public-domain.js';

/** What asks the domain name system: `new Resolver()` of `node:dns/promises`, or the like. */
export type TxtResolver = Pick<Resolver, 'resolveTxt'>;

/** How domains are claimed. */
export interface DomainClaimsOptions {
  readonly store: TenantStore;
  /** Hears of each change before it is made; one that it does not take is not made. */
  readonly record: ConfigurationRecorder;
  /** @defaultValue that of the machine's configuration */
  readonly resolver?: TxtResolver | undefined;
  /** How long a look-up may take, in milliseconds. @defaultValue 5000 */
  readonly timeoutMs?: number | undefined;
  /** How long a claim waits for its proof, in milliseconds. @defaultValue 604800000, seven days */
  readonly ttlMs?: number | undefined;
  /** How long a proof holds, in milliseconds, if nobody looks again. @defaultValue 7776000000, ninety days */
  readonly provenMs?: number | undefined;
  /**
   * Says of a domain that it belongs to no single organization: a public suffix, a provider of mailboxes. It is asked
   * beside the short list that is built in; the Public Suffix List is long, and changes.
   */
  readonly isPublic?: ((domain: string) => boolean) | undefined;
  readonly clock?: Clock | undefined;
}

/** What a tenant has to publish. */
export interface DomainChallenge {
  readonly domain: string;
  /** The name of the TXT record, as `_portcullis-challenge.acme.com`. */
  readonly name: string;
  /** The text of it. */
  readonly value: string;
  /** Until when it can be verified, in milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** What was found when the proofs of a tenant's domains were looked at again. */
export interface DomainReview {
  readonly domain: string;
  /**
   * `proven`: the record is there. `missing`: it is not, and the last proof still holds. `released`: it is not, the last
   * proof is too old, and the domain is no longer the tenant's. `unknown`: the domain name system did not answer, and
   * nothing was changed.
   */
  readonly state: 'proven' | 'missing' | 'released' | 'unknown';
}

/** Proves that a tenant has a domain. */
export interface DomainClaims {
  /**
   * Begins a claim. A claim that is open is answered with the challenge that it has.
   *
   * @throws PortcullisError `request_invalid` for what is no domain, or one of the public's; `conflict` when another
   * tenant has it; `quota_exceeded` above 100 claims that are not proven; `tenant_unknown`, `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  claim(actor: Actor, tenant: TenantId, domain: string): Promise<DomainChallenge>;
  /**
   * Looks for the record, and makes the domain the tenant's if it is there.
   *
   * @throws PortcullisError `domain_unverified` with `data.reason`: `record_missing`, `dns_failed` or `claim_expired`;
   * `not_found` without a claim; `conflict` when another tenant has the domain by now; `tenant_unknown`,
   * `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  verify(actor: Actor, tenant: TenantId, domain: string): Promise<Tenant>;
  /** Gives a domain, or a claim to one, up. @throws PortcullisError `tenant_unknown`, `cross_tenant`, `not_a_member`, `grant_invalid` */
  release(actor: Actor, tenant: TenantId, domain: string): Promise<void>;
  /**
   * Looks at the proofs of all the domains that the tenant has claimed: for a daily job. Domains that an operator gave
   * the tenant without a claim stay as they are.
   */
  review(actor: Actor, tenant: TenantId): Promise<readonly DomainReview[]>;
}

const day = 24 * 3_600_000;

/**
 * Makes the service for domains.
 *
 * A domain that is proven routes users to the tenant. It authorizes nobody: who has an address there is not a member for
 * it.
 *
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { domainClaims, memoryStore } from '@portcullis/tenants';
 *
 * const store = memoryStore();
 * const acme = tenantId('acme');
 * await store.createTenant({ id: acme, name: 'Acme' });
 * const domains = domainClaims({ store, record: () => Promise.resolve() });
 * const { name } = await domains.claim({ system: 'sign-up', requestId: 'r-1' }, acme, 'acme.com');
 * console.log(name); // prints: _portcullis-challenge.acme.com
 * ```
 */
export function domainClaims(options: DomainClaimsOptions): DomainClaims {
  const { store, record, clock = systemClock, ttlMs = 7 * day, provenMs = 90 * day, timeoutMs = 5000 } = options;
  const resolver = options.resolver ?? new Resolver({ timeout: Math.ceil(timeoutMs / 2), tries: 2 });

  function parse(text: string): string {
    const domain = normalDomain(text);
    if (domain === undefined) throw new PortcullisError('request_invalid', 'domain: is not a domain name');
    return domain;
  }

  async function lookUp({
    domain,
    challenge,
  }: DomainClaim): Promise<'found' | 'missing' | { readonly error: unknown }> {
    try {
      const records = await withDeadline(resolver.resolveTxt(nameOf(domain)), timeoutMs);
      // One record may come in pieces of 255 bytes.
      return records.some((pieces) => isSame(pieces.join(''), valueOf(challenge))) ? 'found' : 'missing';
    } catch (error) {
      return isAbsence(error) ? 'missing' : { error };
    }
  }

  /** Changes the list of domains on the record as it is, however often somebody else changes the record meanwhile. */
  async function setDomain(
    authority: Authority,
    tenantId: TenantId,
    domain: string,
    has: boolean,
  ): Promise<{ readonly tenant: Tenant; readonly isChanged: boolean }> {
    for (let attempt = 0; ; attempt++) {
      const tenant = await store.getTenant(tenantId);
      if (tenant === undefined) throw new PortcullisError('tenant_unknown');
      if (tenant.domains.includes(domain) === has) return { tenant, isChanged: false };
      const rest = tenant.domains.filter((other) => other !== domain);
      const domains = has ? [...rest, domain] : rest;
      const change = {
        ...authority.change,
        action: has ? 'domain.verify' : 'domain.release',
        target: domain,
        before: { domains: tenant.domains },
        after: { domains },
      };
      try {
        const changed = await recorded(record, change, () =>
          store.updateTenant(tenantId, { domains }, { ifVersion: tenant.version }),
        );
        return { tenant: changed, isChanged: true };
      } catch (error) {
        const isRace = error instanceof PortcullisError && error.code === 'precondition_failed';
        if (!isRace || attempt === 4) throw error;
      }
    }
  }

  async function releaseDomain(authority: Authority, tenant: TenantId, domain: string): Promise<void> {
    const claim = await store.getDomainClaim(tenant, domain);
    const { isChanged } = await setDomain(authority, tenant, domain, false);
    if (claim === undefined) return;
    const remove = (): Promise<void> => store.removeDomainClaim(tenant, domain);
    // With the domain goes its claim: that is on record already.
    if (isChanged) return remove();
    const before = { claim: { expiresAt: claim.expiresAt } };
    const change = { ...authority.change, action: 'domain.release', target: domain, before, after: null };
    await recorded(record, change, remove);
  }

  /** A proof was seen: it holds anew. */
  async function renew(authority: Authority, claim: DomainClaim): Promise<void> {
    const renewed = { ...claim, expiresAt: clock() + provenMs };
    const change = {
      ...authority.change,
      action: 'domain.renew',
      target: claim.domain,
      before: { expiresAt: claim.expiresAt },
      after: { expiresAt: renewed.expiresAt },
    };
    await recorded(record, change, () => store.putDomainClaim(renewed));
  }

  return {
    async claim(actor, tenant, text) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const domain = parse(text);
      if (isPublicDomain(domain) || options.isPublic?.(domain) === true)
        throw new PortcullisError('request_invalid', `domain: \`${domain}\` belongs to no single organization`);
      const owner = await store.getTenantByDomain(domain);
      if (owner !== undefined && owner.id !== tenant)
        throw new PortcullisError('conflict', `domain \`${domain}\` is taken`);
      const known = await store.getDomainClaim(tenant, domain);
      const now = clock();
      if (known !== undefined && now < known.expiresAt) return challengeOf(known);
      const claim: DomainClaim = {
        tenantId: tenant,
        domain,
        challenge: randomBytes(32).toString('base64url'),
        createdAt: now,
        expiresAt: now + ttlMs,
      };
      const change = {
        ...authority.change,
        action: 'domain.claim',
        target: domain,
        before: null,
        after: { expiresAt: claim.expiresAt },
      };
      await recorded(record, change, () => store.putDomainClaim(claim));
      return challengeOf(claim);
    },
    async verify(actor, tenant, text) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const claim = await store.getDomainClaim(tenant, parse(text));
      if (claim === undefined) throw new PortcullisError('not_found', 'the domain has not been claimed');
      if (clock() >= claim.expiresAt) throw unverified('claim_expired', 'the claim is too old: make it anew');
      const found = await lookUp(claim);
      if (found === 'missing') throw unverified('record_missing', `there is no TXT record of the claim`);
      if (found !== 'found') throw unverified('dns_failed', 'the domain name system did not answer', found.error);
      const { tenant: updated } = await setDomain(authority, tenant, claim.domain, true);
      await renew(authority, claim);
      return updated;
    },
    async release(actor, tenant, text) {
      const authority = await authorityIn(store, tenant, actor, clock);
      await releaseDomain(authority, tenant, parse(text));
    },
    async review(actor, tenant) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const owned = (await store.getTenant(tenant))?.domains ?? [];
      const reviews: DomainReview[] = [];
      for (const claim of await store.getDomainClaims(tenant)) {
        const { domain } = claim;
        if (!owned.includes(domain)) continue;
        const found = await lookUp(claim);
        const isOld = clock() >= claim.expiresAt;
        if (found === 'found') await renew(authority, claim);
        if (found === 'missing' && isOld) await releaseDomain(authority, tenant, domain);
        const state = found === 'found' ? 'proven' : found !== 'missing' ? 'unknown' : isOld ? 'released' : 'missing';
        reviews.push({ domain, state });
      }
      return reviews;
    },
  };
}

function nameOf(domain: string): string {
  return `_portcullis-challenge.${domain}`;
}

function valueOf(challenge: string): string {
  return `portcullis-challenge=${challenge}`;
}

function challengeOf({ domain, challenge, expiresAt }: DomainClaim): DomainChallenge {
  return { domain, name: nameOf(domain), value: valueOf(challenge), expiresAt };
}

function isSame(one: string, other: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}

/** The name, or a record of that type, is not there: an answer, and not the lack of one. */
function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA');
}

function unverified(reason: string, problem: string, cause?: unknown): PortcullisError {
  return new PortcullisError('domain_unverified', problem, {
    data: { reason },
    cause,
    ...(cause instanceof Error ? { detail: cause.message } : {}),
  });
}
