import type { Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import { grantEndpoints } from './grants.js';
import { invitationEndpoints } from './invitations.js';
import { jobEndpoints } from './jobs.js';
import { selfEndpoints } from './me.js';
import { roleEndpoints } from './roles.js';
import { sessionEndpoints } from './sessions.js';
import { settingsEndpoints } from './settings.js';
import { tenantEndpoints } from './tenants.js';
import { userEndpoints } from './users.js';

/** All endpoints of the parts that are there. */
export function endpointsOf(parts: Parts): readonly Endpoint[] {
  const { members, invitations, operators } = parts;
  return [
    ...selfEndpoints(parts),
    ...tenantEndpoints(parts),
    ...(members === undefined ? [] : userEndpoints({ ...parts, members })),
    ...(invitations === undefined ? [] : invitationEndpoints({ ...parts, invitations })),
    ...roleEndpoints(parts),
    ...settingsEndpoints(parts),
    ...(parts.sessions === undefined ? [] : sessionEndpoints(parts)),
    ...(operators === undefined ? [] : grantEndpoints({ ...parts, operators })),
    ...(parts.lifecycle === undefined ? [] : jobEndpoints(parts)),
  ];
}
