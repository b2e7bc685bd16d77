export { requireHeaderAgreement } from './agreement.js';
export { bearerToken } from './bearer.js';
export { refusalResponse, type ChallengeContext } from './challenge.js';
export { edge, type Admission, type ConnectionInfo, type Edge, type EdgeOptions, type Refusal } from './edge.js';
export { metadataResponse, resourceMetadata, type ResourceMetadata, type ResourceMetadataOptions } from './metadata.js';
export { requireAllowedOrigin } from './origin.js';
