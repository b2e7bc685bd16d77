import { quoteIdentifier } from '../quote.js';

/** From whom a privilege is taken so that a role no longer has it: from the role itself, and from everybody. */
export function holders(role: string): string {
  return `PUBLIC, ${quoteIdentifier(role)}`;
}
