export { configuredIdentity, type ConfiguredPrincipal } from './configured.js';
export type { CommonOptions, Issuer, LifetimeRules, NormalizedClaims } from './issuer.js';
export { staticKeys, type KeySource } from './keys/key-source.js';
export { asymmetricAlgorithms, type Algorithm } from './keys/vet.js';
export { auth0, type Auth0Options } from './providers/auth0.js';
export { cognito, type CognitoOptions } from './providers/cognito.js';
export {
  azureB2c,
  entraExternalId,
  type AzureB2cOptions,
  type EntraExternalIdOptions,
} from './providers/entra-customers.js';
export { consumerTenant, entra, type EntraOptions } from './providers/entra.js';
export { oidc, type ClaimMap, type OidcOptions } from './providers/oidc.js';
export { okta, type OktaOptions } from './providers/okta.js';
export { verifier, type TokenVerifier, type VerifiedAuthInfo, type VerifierOptions } from './verifier.js';
