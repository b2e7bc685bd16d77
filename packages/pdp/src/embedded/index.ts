export { embedded, type EmbeddedOptions } from './embedded.js';
export { testPolicies, type PolicyTestOptions } from '../policies/suites/run-suites.js';
export type { CaseReport, PolicyTestReport, SuiteReport, TestResult } from '../policies/suites/report.js';
