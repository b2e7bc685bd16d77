import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  isSealedIdentity,
  isTenantId,
  PortcullisError,
  systemClock,
  type Clock,
  type ConfigurationRecorder,
  type Identity,
  type Membership,
  type TenantId,
} from '@portcullis/core';
import { normalDomain } from '../store/record.js';
import type { TenantStore } from '../store/store.js';
import { invalid, operatorPrefix, requireAcceptable, requirePerson } from './acceptance.js';
import { authorityIn, recorded, type Actor, type Authority } from './actor.js';
import type { Invitation } from './invitation.js';
import { requireCovered, requireGivable } from './members.js';
import { revokeInvitation } from './revoke-invitation.js';
import type { UnstoredRoles } from './unstored-roles.js';

/** How invitations work. */
export interface InvitationsOptions {
  readonly store: TenantStore;
  /** Hears of each change before it is made; one that it does not take is not made. */
  readonly record: ConfigurationRecorder;
  /** How long an invitation is open, in milliseconds. @defaultValue 604800000, seven days */
  readonly ttlMs?: number | undefined;
  /**
   * The e-mail address of an identity that its provider has verified; `undefined` where there is none.
   *
   * `Identity.email` is whatever the provider says, verified or not. The default takes it only beside a claim
   * `email_verified` that is true.
   */
  readonly verifiedEmail?: ((identity: Identity) => string | undefined) | undefined;
  /** As for `members`: what whoever invited, and whoever comes, may be without being stored. */
  readonly unstored?: UnstoredRoles | undefined;
  readonly clock?: Clock | undefined;
}

/** What an invitation is for. */
export interface NewInvitation {
  readonly email: string;
  readonly roles: readonly string[];
  /** How long it is open, in milliseconds. @defaultValue that of the service */
  readonly ttlMs?: number | undefined;
}

/** An invitation, without what proves that one has it. */
export type OpenInvitation = Omit<Invitation, 'secretHash'> & {
  /** Whether its time is over: it is listed until it is removed, and lets nobody in. */
  readonly isExpired: boolean;
};

/** Invites people, and lets them in. */
export interface Invitations {
  /**
   * Makes an invitation. It takes a place among the tenant's users until it expires.
   *
   * @returns the invitation, and the token to send to the address: it is shown this once and kept nowhere
   * @throws PortcullisError `denied` for a role that the actor does not have, `request_invalid`, `quota_exceeded` (also above 1000 that nobody took),
   * `tenant_unknown`, `cross_tenant`, `not_a_member`, `grant_invalid`
   */
  create(
    actor: Actor,
    tenant: TenantId,
    invitation: NewInvitation,
  ): Promise<{ readonly invitation: OpenInvitation; readonly token: string }>;
  /** All that were not taken, expired ones included. @throws PortcullisError `cross_tenant`, `not_a_member`, `grant_invalid` */
  list(actor: Actor, tenant: TenantId): Promise<readonly OpenInvitation[]>;
  /**
   * Takes an invitation back, before anybody has taken it up. One that is not there is no error.
   *
   * @throws PortcullisError `denied` for a role that the actor does not have, `cross_tenant`, `not_a_member`,
   * `grant_invalid`
   */
  revoke(actor: Actor, tenant: TenantId, id: string): Promise<void>;
  /**
   * Makes the identity a member, once.
   *
   * @param token - as `create` returned it
   * @throws PortcullisError `invitation_invalid` whatever is wrong, with the reason as its `detail`; `quota_exceeded`
   * where the tenant was given fewer users in the meantime
   */
  accept(identity: Identity, token: string, requestId: string): Promise<Membership>;
}

const defaultTtlMs = 7 * 24 * 3_600_000;
const maxTtlMs = 90 * 24 * 3_600_000;

/**
 * Makes the service for invitations.
 *
 * Who comes in holds the secret *and* is vouched for: by a provider that is bound to the tenant, with exactly the
 * invited address, verified. Either alone is not enough: a link is forwarded and an address is claimed.
 *
 * @example
 * ```ts
 * import { tenantId } from '@portcullis/core';
 * import { invitations, memoryStore } from '@portcullis/tenants';
 *
 * const store = memoryStore();
 * const acme = tenantId('acme');
 * await store.createTenant({ id: acme, name: 'Acme' });
 * const inviting = invitations({ store, record: () => Promise.resolve() });
 * const sender = { system: 'sign-up', requestId: 'r-1' };
 * const { token } = await inviting.create(sender, acme, { email: 'Bob@acme.com', roles: ['member'] });
 * console.log(token.length > 60, (await inviting.list(sender, acme))[0]?.email); // prints: true bob@acme.com
 * ```
 */
export function invitations(options: InvitationsOptions): Invitations {
  const { store, record, clock = systemClock, ttlMs = defaultTtlMs, verifiedEmail = emailClaimed } = options;

  /** Who lost a role while it was inviting to it may have been too late to be swept: the invitation is taken back. */
  async function requireStill(actor: Actor, made: Authority, invitation: Invitation): Promise<void> {
    const { tenantId, roles } = invitation;
    try {
      requireCovered(await authorityIn(store, tenantId, actor, clock), roles, await store.getRoles(tenantId));
    } catch (error) {
      await revokeInvitation(options, made, tenantId, invitation);
      throw error;
    }
  }

  return {
    async create(actor, tenant, input) {
      const authority = await authorityIn(store, tenant, actor, clock);
      if (input.roles.length === 0)
        throw new PortcullisError('request_invalid', 'roles: has to name at least one role');
      requireGivable(authority, input.roles, await store.getRoles(tenant));
      const email = foldEmail(input.email);
      if (email === undefined) throw new PortcullisError('request_invalid', 'email: is not an e-mail address');
      const lasts = input.ttlMs ?? ttlMs;
      if (!Number.isFinite(lasts) || lasts <= 0 || lasts > maxTtlMs)
        throw new PortcullisError('request_invalid', 'ttlMs: has to be above 0, and 90 days at the most');
      const secret = randomBytes(32);
      const now = clock();
      const invitation: Invitation = {
        tenantId: tenant,
        id: randomBytes(12).toString('base64url'),
        email,
        roles: [...new Set(input.roles)],
        invitedBy: authority.isOperator ? `${operatorPrefix}${authority.key}` : authority.key,
        secretHash: hashOf(secret).toString('base64url'),
        createdAt: now,
        expiresAt: Math.floor(now + lasts),
      };
      const change = {
        ...authority.change,
        action: 'invitation.create',
        target: invitation.id,
        before: null,
        after: { email, roles: invitation.roles, expiresAt: invitation.expiresAt },
      };
      await recorded(record, change, () => store.putInvitation(invitation));
      await requireStill(actor, authority, invitation);
      return {
        invitation: withoutSecret(invitation, now),
        token: `${tenant}.${invitation.id}.${secret.toString('base64url')}`,
      };
    },
    async list(actor, tenant) {
      await authorityIn(store, tenant, actor, clock);
      const now = clock();
      return (await store.getInvitations(tenant)).map((invitation) => withoutSecret(invitation, now));
    },
    async revoke(actor, tenant, id) {
      const authority = await authorityIn(store, tenant, actor, clock);
      const invitation = await store.getInvitation(tenant, id);
      if (invitation === undefined) return;
      requireCovered(authority, invitation.roles, await store.getRoles(tenant));
      await revokeInvitation(options, authority, tenant, invitation);
    },
    async accept(identity, token, requestId) {
      if (!isSealedIdentity(identity)) throw new TypeError('the identity was not made by a verifier');
      const { tenantId, id, secret } = readToken(token);
      const invitation = await store.getInvitation(tenantId, id);
      // Without an invitation there is a comparison all the same, with what nobody can have sent.
      const expected = Buffer.from(invitation?.secretHash ?? '', 'base64url');
      const holds = timingSafeEqual(hashOf(secret), expected.length === 32 ? expected : randomBytes(32));
      if (invitation === undefined) throw invalid('there is no such invitation: unknown, taken or revoked');
      if (!holds) throw invalid('the secret is another one');
      if (clock() >= invitation.expiresAt) throw invalid('the invitation has expired');
      requirePerson(identity, clock());
      const email = foldEmail(verifiedEmail(identity) ?? '');
      if (email === undefined) throw invalid('the identity has no verified e-mail address');
      if (email !== invitation.email) throw invalid('the invitation is for another address');
      const tenant = await store.getTenant(tenantId);
      if (tenant === undefined) throw invalid('the tenant is gone');
      await requireAcceptable(store, { invitation, tenant, identity, now: clock(), unstored: options.unstored });
      const change = {
        author: identity,
        tenant: tenantId,
        requestId,
        action: 'invitation.accept',
        target: identity.key,
        before: null,
        after: { invitation: id, email, invitedBy: invitation.invitedBy, roles: invitation.roles },
      };
      return recorded(record, change, () => take(store, invitation, identity));
    },
  };
}

/** Of those who come at one time with one invitation, the store lets one in. */
async function take(store: TenantStore, { tenantId, id, roles }: Invitation, identity: Identity): Promise<Membership> {
  try {
    return await store.addMember(tenantId, identity.key, roles, { invitation: id });
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    if (error.code === 'conflict') throw invalid('the identity is a member already', error);
    if (error.code === 'invitation_invalid' || error.code === 'tenant_unknown')
      throw invalid('the invitation was taken or revoked in the meantime', error);
    throw error;
  }
}

function withoutSecret({ secretHash: _secretHash, ...rest }: Invitation, now: number): OpenInvitation {
  return { ...rest, isExpired: now >= rest.expiresAt };
}

function hashOf(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest();
}

function readToken(token: string): { readonly tenantId: TenantId; readonly id: string; readonly secret: Buffer } {
  const [, tenantId, id, secret] = /^([\w-]{1,64})\.([\w-]{16})\.([\w-]{43})$/.exec(token) ?? [];
  if (!isTenantId(tenantId) || id === undefined || secret === undefined) throw invalid('the token is none');
  return { tenantId, id, secret: Buffer.from(secret, 'base64url') };
}

/**
 * An address in the form in which two are compared; `undefined` when it is none.
 *
 * Only ASCII letters lose their case. Full case folding lets other letters become ASCII ones (the Kelvin sign becomes a
 * `k`), and an address that somebody else owns becomes the invited one.
 */
function foldEmail(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const domain = normalDomain(text.slice(at + 1));
  const isLocal = at > 0 && local.length <= 64 && !/[\s"@<>,;:()[\]\\]|\p{C}/u.test(local);
  return isLocal && domain !== undefined && text.length <= 254 ? `${local}@${domain}` : undefined;
}

function emailClaimed({ email, claims }: Identity): string | undefined {
  const verified = Object.hasOwn(claims, 'email_verified') ? claims['email_verified'] : undefined;
  // Amazon Cognito sends the text.
  return verified === true || verified === 'true' ? email : undefined;
}
