export { malformedObligation, obligationsOf } from './obligations.js';
export { lintPolicies, type PolicyFinding } from './policies/lint.js';
export { policyFiles, readPolicies } from './policies/read.js';
