/** How often a tenant and each of its users may call. A member that is absent limits nothing; 0 lets nothing through. */
export interface TenantLimits {
  /** MCP requests of the whole tenant in a minute. */
  readonly requestsPerMinute?: number | undefined;
  /** MCP requests of the whole tenant in a day (UTC). */
  readonly requestsPerDay?: number | undefined;
  /** Tool calls of the whole tenant that run at one time. */
  readonly concurrentCalls?: number | undefined;
  /** MCP requests of one user in a minute. */
  readonly userRequestsPerMinute?: number | undefined;
  /** MCP requests of one user in a day (UTC). */
  readonly userRequestsPerDay?: number | undefined;
  /** Tool calls of one user that run at one time. */
  readonly userConcurrentCalls?: number | undefined;
}

/** How much a tenant may have. A member that is absent limits nothing; 0 allows none. */
export interface TenantQuotas {
  /** Members, invitations that are open included. */
  readonly maxUsers?: number | undefined;
  /** MCP sessions of one user that are open at one time. */
  readonly maxSessionsPerUser?: number | undefined;
  /** Tool calls that were allowed to run, in a calendar month (UTC). */
  readonly callsPerMonth?: number | undefined;
}
