export {
  fixtures,
  startIssuer,
  type LocalIssuer,
  type ProviderKind,
  type TokenClaims,
  type TokenOptions,
} from './issuers.js';
export { signingKey, type SigningKey } from './key-pair.js';
export type { Misbehaviour } from './server.js';
