import type { Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import { domainEndpoints } from './domains.js';
import { grantEndpoints } from './grants.js';
import { invitationEndpoints } from './invitations.js';
import { jobEndpoints } from './jobs.js';
import { selfEndpoints } from './me.js';
import { roleEndpoints } from './roles.js';
import { sessionEndpoints } from './sessions.js';
import { settingsEndpoints } from './settings.js';
import { tenantEndpoints } from './tenants.js';
import { trailEndpoints } from './trail.js';
import { usageEndpoints } from './usage.js';
import { userEndpoints } from './users.js';

/** All endpoints of the parts that are there. */
export function endpointsOf(parts: Parts): readonly Endpoint[] {
  const { members, roles, invitations, domains, usage, trails, operators } = parts;
  return [
    ...selfEndpoints(parts),
    ...tenantEndpoints(parts),
    ...(members === undefined ? [] : userEndpoints({ ...parts, members })),
    ...(invitations === undefined ? [] : invitationEndpoints({ ...parts, invitations })),
    ...(domains === undefined ? [] : domainEndpoints({ ...parts, domains })),
    ...(roles === undefined ? [] : roleEndpoints({ ...parts, roles })),
    ...settingsEndpoints(parts),
    ...(usage === undefined ? [] : usageEndpoints({ ...parts, usage })),
    ...(trails === undefined ? [] : trailEndpoints({ ...parts, trails })),
    ...(parts.sessions === undefined ? [] : sessionEndpoints(parts)),
    ...(operators === undefined ? [] : grantEndpoints({ ...parts, operators })),
    ...(parts.lifecycle === undefined ? [] : jobEndpoints(parts)),
  ];
}
