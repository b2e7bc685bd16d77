export { reconcileCommand, type ReconcileCommand } from './command.js';
export { readLock, writeLock, type ToolLock } from './lock.js';
export {
  assertReconciled,
  formatFindings,
  reconcile,
  type Finding,
  type FindingKind,
  type FindingLevel,
  type ReconcileOptions,
  type Reconciliation,
} from './reconcile.js';
