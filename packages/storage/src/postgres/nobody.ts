import { tenantId } from '@portcullis/core';

/** Whose a transaction is that is no tenant's: of the owner of all schemas, of a verification. For the record alone. */
export const nobody = tenantId('portcullis');
