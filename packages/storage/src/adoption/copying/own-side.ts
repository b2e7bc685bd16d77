import { requireKey } from '../../tenant-key.js';
import { detailOf } from './detail-of.js';
import type { Found } from './side-by-side.js';

/** What is below the tenant's prefix: a key of its own, or something that the storage would not have put there. */
export function ownSide(own: string, full: string): Found {
  try {
    requireKey(own);
    return { side: 'copy', key: own };
  } catch (error) {
    return { side: 'obstacle', key: full, why: `is below the tenant’s prefix, and no key of its: ${detailOf(error)}` };
  }
}
