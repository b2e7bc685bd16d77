import { PortcullisError } from '@portcullis/core';

/** Reads an option that has to be a positive integer. @throws PortcullisError `config_invalid` */
export function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new PortcullisError('config_invalid', `${name}: has to be a positive integer`);
}
