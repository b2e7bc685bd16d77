export { malformedObligation, obligationsOf } from './obligations.js';
export { lintPolicies, type PolicyFinding } from './policies/lint.js';
export { policyFiles, readPolicies, type PolicyDocument, type PolicyRule } from './policies/read.js';
