import type { Obstacle } from '../adoption-step.js';
import { pairedForeignKey } from './foreign-keys.js';
import type { RowsTarget } from './rows-target.js';
import { everybody, type TableFacts } from './table-facts.js';
import { extendedIndex, needsTenant } from './unique-keys.js';

/** What keeps a table from being adopted: what cannot be changed so that it could be changed back, or is done already. */
export function tableObstacles(all: readonly TableFacts[], target: RowsTarget): readonly Obstacle[] {
  const adopted = new Set(all.map(nameOf));
  return all.flatMap((facts) =>
    [...shapeObstacles(facts, target), ...keyObstacles(facts, target, adopted), ...rightObstacles(facts, target)].map(
      (why) => ({ what: nameOf(facts), why }),
    ),
  );
}

function shapeObstacles(facts: TableFacts, { tenantColumn }: RowsTarget): readonly string[] {
  const { kind, partition, inherits, secured, policies, columns, replicaIdentity } = facts;
  return [
    ...(kind === 'r' ? [] : ['is no ordinary table: a view, a partitioned or a foreign table']),
    ...(partition || inherits ? ['is a partition, or has heirs'] : []),
    ...(columns.some(({ name }) => name === tenantColumn) ? [`has a column \`${tenantColumn}\` already`] : []),
    ...(secured || policies.length > 0 ? ['has row-level security or policies already'] : []),
    ...(replicaIdentity === 'i' ? ['is replicated by an index of its own'] : []),
  ];
}

function keyObstacles(facts: TableFacts, target: RowsTarget, adopted: ReadonlySet<string>): readonly string[] {
  const others = facts.referredBy.filter((name) => !adopted.has(name));
  const excluding = facts.constraints.filter(({ type }) => type === 'x');
  const invalid = facts.indexes.filter(({ valid }) => !valid);
  const placed = facts.indexes.filter((index) => needsTenant(index) && index.tablespace);
  const strange = facts.indexes.filter(
    (index) => needsTenant(index) && extendedIndex(facts, index, target) === undefined,
  );
  const foreign = facts.constraints.filter(
    ({ foreign: key }) =>
      key !== null && adopted.has(`${key.schema}.${key.table}`) && pairedForeignKey(key, target) === undefined,
  );
  return [
    ...others.map((name) => `\`${name}\` refers to it: adopt that as well`),
    ...excluding.map(({ name }) => `the exclusion constraint \`${name}\` reaches over tenants`),
    ...invalid.map(({ name }) => `the index \`${name}\` is not valid`),
    ...placed.map(({ name }) => `the index \`${name}\` has a tablespace of its own`),
    ...strange.map(({ name }) => `the index \`${name}\` cannot be made over with the tenant`),
    ...foreign.map(({ name }) => `the foreign key \`${name}\` would set the tenant, or matches in full`),
  ];
}

/** What others have granted the owner cannot give back. */
function rightObstacles({ owner, grants, columns, sequences }: TableFacts, { role }: RowsTarget): readonly string[] {
  const all = [...grants, ...columns.flatMap((column) => column.grants), ...sequences.flatMap((each) => each.grants)];
  return [
    ...(owner === role ? [`\`${role}\` owns it: the role of tenants’ work must own nothing`] : []),
    ...(all.some(({ grantee, grantor }) => (grantee === role || grantee === everybody) && grantor !== owner)
      ? [`\`${role}\` or everybody has rights in it that somebody else than its owner has granted`]
      : []),
  ];
}

/** As `referredBy` has it. */
function nameOf({ schema, table }: TableFacts): string {
  return `${schema}.${table}`;
}
