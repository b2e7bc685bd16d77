import { PortcullisError, type IdentityProviderBinding, type Tenant, type TenantSettings } from '@portcullis/core';
import { entityTag, tagged, type Answer } from '../answer.js';
import { change } from '../change.js';
import { requireMatch } from '../conditional.js';
import { endpoint, type Endpoint, type Scene } from '../endpoint.js';
import { requireMappable } from '../mappable-roles.js';
import { requireNoStaff } from '../no-staff.js';
import { requireOwnBindings } from '../own-bindings.js';
import type { Parts } from '../parts.js';
import {
  featuresPatchSchema,
  featuresSchema,
  featuresView,
  merged,
  oauthPatchSchema,
  oauthSchema,
  oauthView,
  quotasPatchSchema,
  quotasSchema,
  quotasView,
} from '../schema/settings.js';
import { noQuery, tenantParams } from '../schema/values.js';
import { currentTenant } from '../subject.js';

const tag = 'settings';

/** What a tenant is configured with. */
export function settingsEndpoints(parts: Parts): readonly Endpoint[] {
  return [
    readOauth(parts),
    patchOauth(parts),
    readFeatures(parts),
    patchFeatures(parts),
    readQuotas(parts),
    patchQuotas(parts),
  ];
}

function readOauth({ store }: Parts): Endpoint {
  return endpoint({
    id: 'getOAuthSettings',
    method: 'get',
    path: '/tenants/{tenant}/oauth',
    tag,
    summary: 'Read which identity providers may speak for a tenant',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'The bindings.', schema: oauthSchema, headers: ['ETag'] } },
    handle: async (call) => tagged(200, oauthView(await currentTenant(store, call))),
  });
}

function patchOauth(parts: Parts): Endpoint {
  return endpoint({
    id: 'patchOAuthSettings',
    method: 'patch',
    path: '/tenants/{tenant}/oauth',
    tag,
    summary: 'Change which identity providers may speak for a tenant',
    description:
      'A JSON merge patch: `identityProviders` is replaced as a whole. An operator with `identity:write` may bind anything but the operators’ own identity providers. The tenant’s owner may change how the bindings that are there make members, take bindings away other than the own one, and add a provider of the platform’s list without a tenant hint and with `membership` `required`: who could name a directory could name somebody else’s. Roles of tokens are mapped to built-in roles and to the tenant’s own.',
    authorize: { on: 'tenant', action: 'settings:write', also: ['identity:write'], neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: noQuery,
    body: oauthPatchSchema,
    answers: { 200: { description: 'The bindings, changed.', schema: oauthSchema, headers: ['ETag'] } },
    errors: ['conflict'],
    async handle(call) {
      const bindings: readonly IdentityProviderBinding[] = call.body.identityProviders;
      return changeSettings(parts, call, 'oauth', oauthView, async (tenant) => {
        for (const { provider } of bindings) requireNoStaff(parts, provider);
        if (!(await call.may('identity:write')))
          await requireOwnBindings(parts.store, call.caller, tenant, bindings, parts.providers);
        await requireMappable(parts.store, tenant, bindings);
        return { identityProviders: bindings };
      });
    },
  });
}

function readFeatures({ store }: Parts): Endpoint {
  return endpoint({
    id: 'getFeatures',
    method: 'get',
    path: '/tenants/{tenant}/features',
    tag,
    summary: 'Read a tenant’s tools and feature flags',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'Tools and flags.', schema: featuresSchema, headers: ['ETag'] } },
    handle: async (call) => tagged(200, featuresView(await currentTenant(store, call))),
  });
}

function patchFeatures(parts: Parts): Endpoint {
  return endpoint({
    id: 'patchFeatures',
    method: 'patch',
    path: '/tenants/{tenant}/features',
    tag,
    summary: 'Change a tenant’s tools and feature flags',
    description:
      'A JSON merge patch. The tenant’s own administrators may take away: switch a flag off, leave fewer tools. To give more is the operators’ (`limits:write`).',
    authorize: { on: 'tenant', action: 'settings:write', also: ['limits:write'], neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: noQuery,
    body: featuresPatchSchema,
    answers: { 200: { description: 'Tools and flags, changed.', schema: featuresSchema, headers: ['ETag'] } },
    async handle(call) {
      const { allowedTools, features } = call.body;
      return changeSettings(parts, call, 'features', featuresView, async ({ settings }) => {
        const next = {
          features: merged(settings.features, features),
          allowedTools: allowedTools === undefined ? settings.allowedTools : (allowedTools ?? undefined),
        };
        if (gives(settings, next) && !(await call.may('limits:write')))
          throw new PortcullisError('denied', 'only an operator gives a tenant more', {
            detail: 'the patch switches something on, or lengthens the list of tools',
          });
        return next;
      });
    },
  });
}

/** Whether a tenant has more by a change: a flag that was not on, or not known; a tool that was not on its list. */
function gives(
  before: Pick<TenantSettings, 'features' | 'allowedTools'>,
  after: Pick<TenantSettings, 'features' | 'allowedTools'>,
): boolean {
  const flagged = Object.entries(after.features).some(
    ([name, value]) => value && !(Object.hasOwn(before.features, name) && before.features[name] === true),
  );
  // A policy may read a flag that is not there as one that is on: to remove one that is off gives, too.
  const unflagged = Object.entries(before.features).some(
    ([name, value]) => !value && !Object.hasOwn(after.features, name),
  );
  if (before.allowedTools === undefined) return flagged || unflagged;
  const had = new Set(before.allowedTools);
  return flagged || unflagged || after.allowedTools === undefined || after.allowedTools.some((tool) => !had.has(tool));
}

function readQuotas({ store, plans }: Parts): Endpoint {
  return endpoint({
    id: 'getQuotas',
    method: 'get',
    path: '/tenants/{tenant}/quotas',
    tag,
    summary: 'Read a tenant’s limits and quotas',
    authorize: { on: 'tenant', action: 'read' },
    params: tenantParams,
    query: noQuery,
    answers: { 200: { description: 'The tenant’s own, and what holds.', schema: quotasSchema, headers: ['ETag'] } },
    handle: async (call) => tagged(200, quotasView(await currentTenant(store, call), plans)),
  });
}

function patchQuotas(parts: Parts): Endpoint {
  return endpoint({
    id: 'patchQuotas',
    method: 'patch',
    path: '/tenants/{tenant}/quotas',
    tag,
    summary: 'Change a tenant’s limits and quotas',
    description:
      'A JSON merge patch: what is absent stays, `null` gives the plan’s back. Holds from the next request on.',
    authorize: { on: 'tenant', action: 'limits:write', neverActing: true },
    conditional: 'match',
    params: tenantParams,
    query: noQuery,
    body: quotasPatchSchema,
    answers: { 200: { description: 'Limits and quotas, changed.', schema: quotasSchema, headers: ['ETag'] } },
    handle: ({ body, ...scene }) =>
      changeSettings(
        parts,
        scene,
        'quotas',
        (tenant) => quotasView(tenant, parts.plans),
        ({ settings }) =>
          Promise.resolve({
            limits: merged({ ...settings.limits }, body.limits),
            quotas: merged({ ...settings.quotas }, body.quotas),
          }),
      ),
  });
}

/** Reads a part of the settings, compares its entity tag, and replaces what `next` says, if nobody else did meanwhile. */
async function changeSettings(
  { store, record }: Parts,
  scene: Scene,
  part: string,
  view: (tenant: Tenant) => { readonly version: number } & Readonly<Record<string, unknown>>,
  next: (tenant: Tenant) => Promise<Partial<TenantSettings>>,
): Promise<Answer> {
  const tenant = await currentTenant(store, scene);
  const before = view(tenant);
  requireMatch(scene.header('if-match'), entityTag(tenant.version, before));
  const settings = await next(tenant);
  const after = view({ ...tenant, settings: { ...tenant.settings, ...settings } });
  const changed = await change(
    record,
    scene,
    { action: `tenant.${part}`, target: tenant.id, tenant: tenant.id, before, after },
    () => store.updateTenant(tenant.id, { settings }, { ifVersion: tenant.version }),
  );
  return tagged(200, view(changed));
}
