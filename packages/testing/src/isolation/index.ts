export {
  assertIsolated,
  type IsolationOptions,
  type IsolationProgress,
  type IsolationReport,
} from './assert-isolated.js';
export { IsolationError, type Counterexample, type Replay } from './isolation-error.js';
export type { IsolationSubject, SqlSurface, TenantUnderTest } from './subject.js';
export { adversarialFamilies, type TenantFamily } from './tenant-names.js';
export { isolationTraps, notBehavioural, type IsolationTrap } from './traps.js';
