import type { Endpoint } from '../endpoint.js';
import type { Parts } from '../parts.js';
import { jobEndpoints } from './jobs.js';
import { selfEndpoints } from './me.js';
import { roleEndpoints } from './roles.js';
import { sessionEndpoints } from './sessions.js';
import { settingsEndpoints } from './settings.js';
import { tenantEndpoints } from './tenants.js';

/** All endpoints of the parts that are there. */
export function endpointsOf(parts: Parts): readonly Endpoint[] {
  return [
    ...selfEndpoints(parts),
    ...tenantEndpoints(parts),
    ...roleEndpoints(parts),
    ...settingsEndpoints(parts),
    ...(parts.sessions === undefined ? [] : sessionEndpoints(parts)),
    ...(parts.lifecycle === undefined ? [] : jobEndpoints(parts)),
  ];
}
