/** What the kit looks for, by name: what it means when it is found. */
export const isolationTraps = {
  not_usable: 'ordinary keys of ordinary tenants are refused, so that nothing can be said of isolation',
  own_data_wrong: 'a tenant does not get back what it stored, though nobody else did anything',
  foreign_read: 'a read gave back another tenant’s data',
  foreign_listing: 'a listing shows another tenant’s keys',
  foreign_write: 'what one tenant did changed another tenant’s data',
  tenant_names_meet: 'two tenants whose names differ share one place: the mapping from names is not injective',
  key_escape: 'a key or a prefix reached out of its tenant',
  existence_oracle: 'whether something is refused tells what another tenant has',
  listing_incomplete: 'a listing of more than one page has missing, repeated or foreign keys',
  interleaving: 'units of work that run at the same time get into each other’s tenant',
  nested_unit: 'a unit of work inside another tenant’s changes the tenant of the outer one, or takes it over',
  pool_starvation: 'with more units of work than connections, some run as another tenant or never end',
  error_in_the_middle: 'a unit of work that failed left something behind, or said that it succeeded',
  cancelled_call: 'a call that was cancelled left something behind, or went on in another tenant’s place',
  handle_outlives_unit: 'what a unit of work was given still works after it, in another tenant’s place',
  connection_lost: 'a unit of work whose connection was lost went on on another, or hid the loss',
  setting_outlives_unit: 'a connection still speaks for the tenant that used it before',
  unset_tenant: 'a connection for which no tenant was set can read or write',
  unprovisioned_tenant: 'tenants that were never provisioned share a place',
  forged_context: 'a context that no tenant resolver made opens storage',
  operator_context: 'an operator’s context opens storage where a tenant’s own is expected',
  failure_looks_like_a_miss: 'while the backend fails, a read says that there is nothing',
  planted_link: 'a link inside a tenant’s storage is followed out of it',
  read_without_filter: 'a query without a condition reads other tenants’ rows',
  read_of_other: 'a query that names another tenant reads its rows',
  write_without_filter: 'an UPDATE or DELETE without a condition changes other tenants’ rows',
  write_to_other: 'an UPDATE or DELETE that names another tenant changes its rows',
  write_as_other: 'a row can be written that is another tenant’s: a policy without WITH CHECK, or with a wider one',
  truncate: 'TRUNCATE empties a table for all tenants: row-level security does not apply to it',
  copy_from: 'COPY FROM may load rows of any tenant',
  qualified_name: 'a qualified name reads or writes another tenant’s schema',
  unprotected_table: 'a table that the role may read holds other tenants’ data',
  partition: 'a partition that is named directly has no policy of its own',
  view: 'a view reads with its owner’s rights',
  materialized_view: 'a materialized view holds the data of all tenants',
  definer_function: 'a function reads with its owner’s rights',
  further_query: 'one of the subject’s own further queries reads other tenants’ data',
  conflict_oracle: 'a conflict with a row of another tenant shows that it exists: a unique key without the tenant',
  foreign_key_probe: 'a foreign key accepts another tenant’s row, which shows that it exists',
  temporary_table: 'a temporary table is left for the next user of the connection, or shadows the real one for it',
  held_cursor: 'a cursor WITH HOLD is left for the next user of the connection',
  statistics: 'the planner’s statistics show other tenants’ values',
  error_text: 'the text of an error shows other tenants’ values',
  end_of_transaction: 'after a COMMIT or ROLLBACK inside a unit of work, the connection can do more than the tenant',
  tenant_switch: 'SQL that a tenant wrote can become another tenant',
} as const;

/** The name of a trap. */
export type IsolationTrap = keyof typeof isolationTraps;

/**
 * What no behaviour of the storage shows to somebody who uses it, and why. A check of the set-up at start-up has to
 * look for these.
 */
export const notBehavioural: Readonly<Record<string, string>> = {
  missing_index: 'an index that does not begin with the tenant column makes queries slow and no answer wrong',
  policy_function_per_row: 'a policy that calls a function for each row is slow and not wrong',
  server_version:
    'releases below 17.6, 16.10, 15.14, 14.19 and 13.22 show statistics (CVE-2025-8713) by an operator of the attacker’s own making, which a kit had to install in your database',
  tenant_not_empty_check:
    'that a row’s tenant cannot be empty is a constraint; the kit sees only the row that a bare connection can write',
  privileges_not_used:
    'TRUNCATE, TEMPORARY, CREATE and EXECUTE are tried only where the tried statements reach them; a privilege on an object that has no data of the kit’s is not seen',
  role_attributes:
    'SUPERUSER and BYPASSRLS on another role than the one that the application uses now: a new deployment could use it',
  sequences: 'a sequence that tenants share shows how much the others insert: numbers are no canaries',
  timing: 'how long an answer takes is not measured',
};
