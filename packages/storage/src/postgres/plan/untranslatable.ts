import { PortcullisError } from '@portcullis/core';

/** What cannot be said in SQL exactly, and is therefore not said at all. @param detail - for the operator */
export function untranslatable(detail: string): PortcullisError {
  return new PortcullisError('plan_untranslatable', undefined, { detail });
}
