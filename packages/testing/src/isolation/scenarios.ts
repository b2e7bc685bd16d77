import { outage, pages, plantedLinks } from './backend.js';
import { forgedContexts, operatorContexts } from './contexts.js';
import { hostileSql } from './hostile-sql.js';
import { interleaving, starvation } from './interleaving.js';
import { cancelledCalls, errorInTheMiddle, lateHandles, lostConnections } from './interruption.js';
import { nested } from './nested.js';
import type { Scenario } from './scenario.js';
import { escape, escapes, names, ownData, sequence } from './sequence.js';
import type { IsolationSubject } from './subject.js';
import type { TenantFamily } from './tenant-names.js';
import { unprovisioned } from './unprovisioned.js';
import { usable } from './usable.js';
import { withoutTenant } from './without-tenant.js';

/** All scenarios for a subject, the simplest first: what it finds makes the best counterexample. */
export function scenarios({ sql }: IsolationSubject, families: readonly TenantFamily[]): readonly Scenario[] {
  return [
    usable,
    forgedContexts,
    operatorContexts,
    ...names(families),
    sequence,
    ...escapes,
    escape,
    withoutTenant,
    unprovisioned,
    interleaving,
    starvation,
    nested,
    errorInTheMiddle,
    cancelledCalls,
    lateHandles,
    lostConnections,
    ...(sql === undefined ? [] : hostileSql(sql)),
    pages,
    plantedLinks,
    outage,
    ownData,
  ];
}
