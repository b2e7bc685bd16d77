export { bundlePolicies, type PolicyBundle } from './bundle-policies.js';
export { embedded, type EmbeddedEngine } from './embedded.js';
export type { BundleOptions, EmbeddedOptions, EmbeddedSettings, FolderOptions } from './options.js';
export { testPolicies, type PolicyTestOptions } from '../policies/suites/run-suites.js';
export type { CaseReport, PolicyTestReport, SuiteReport, TestResult } from '../policies/suites/report.js';
export type { ConditionExplanation, Explanation, RolePolicyExplanation, RuleExplanation } from './evaluate/explain.js';
