import { quoteIdentifier } from '../../postgres/quote.js';
import type { TableName } from './table-facts.js';

/** A table's name, quoted and with its schema. */
export function qualified({ schema, table }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
}

/** As the server itself writes names into definitions: quoted only where it has to be. */
export function asServerWrites(name: string): RegExp {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?:${escaped(name)}|${escaped(quoteIdentifier(name))})`);
}
