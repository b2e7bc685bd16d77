export type { OperatorAccessOptions } from './access.js';
export { maxKeyBytes, ownKey, tenantKey, tenantPrefix } from './tenant-key.js';
export type { KeyListOptions, KeyPage, TenantKeyValue } from './tenant-key-value.js';
