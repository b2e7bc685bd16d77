import { PortcullisError } from '@portcullis/core';

/** Refuses a setting that is no number, or too small to mean anything. */
export function atLeast(least: number, name: string, value: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new PortcullisError('config_invalid', `\`${name}\` has to be a number, at least ${String(least)}`);
}
