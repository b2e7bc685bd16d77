import { isTenantId } from '@portcullis/core';
import { malformedPattern } from './functions.js';
import { lineText, refused, type PolicyLine } from './line.js';
import type { CheckedModel } from './model.js';

/** A line that the model can read. */
export interface CheckedLine extends PolicyLine {
  readonly place: string;
  /** The tenant, or the domain that all tenants share. */
  readonly domain: string;
  /** Its position among all lines. */
  readonly order: number;
}

/**
 * Checks lines against their model. casbin leaves out a line that it does not know, takes a field that is missing or
 * empty for nothing, and an effect that it does not know for none.
 *
 * @param sharedDomain - the domain whose lines are for every tenant
 * @throws PortcullisError `policies_invalid`, with the place of the line
 */
export function checkLines(
  lines: readonly PolicyLine[],
  model: CheckedModel,
  sharedDomain: string | undefined,
): readonly CheckedLine[] {
  return lines.map((line, index) => {
    const place = line.place ?? `policy line ${String(index + 1)}`;
    const wrong = wrongWith(line, model);
    if (wrong !== undefined) throw refused(place, `\`${printable(lineText(line))}\`: ${wrong}`);
    const domain = line.values[line.ptype === 'p' ? model.policy.indexOf('dom') : 2] ?? '';
    if (domain !== sharedDomain && !isTenantId(domain))
      throw refused(
        place,
        `\`${printable(lineText(line))}\`: \`${printable(domain)}\` is not a tenant${sharedDomain === undefined ? '; for lines of every tenant set `sharedDomain`' : ''}`,
      );
    return { ptype: line.ptype, values: [...line.values], place, domain, order: index };
  });
}

function wrongWith({ ptype, values }: PolicyLine, model: CheckedModel): string | undefined {
  if (ptype !== 'p' && !model.roles.includes(ptype)) return `the model has no \`${printable(ptype)}\``;
  const fields = ptype === 'p' ? model.policy : ['name', 'role', 'dom'];
  if (values.length !== fields.length)
    return `has ${String(values.length)} fields and not ${String(fields.length)}: ${fields.join(', ')}`;
  for (const [index, value] of values.entries()) {
    const wrong = wrongWithValue(value);
    if (wrong !== undefined) return `\`${fields[index] ?? ''}\` ${wrong}`;
  }
  if (ptype !== 'p') return undefined;
  const field = (name: string): string => values[fields.indexOf(name)] ?? '';
  if (fields.includes('eft') && !['allow', 'deny'].includes(field('eft'))) return '`eft` is neither `allow` nor `deny`';
  if (fields.includes('priority') && !/^\d{1,9}$/.test(field('priority'))) return '`priority` is not a whole number';
  return model.matcher.patterns
    .map(([name, of]) => malformedPattern(name, field(of)))
    .find((malformed) => malformed !== undefined);
}

/** What no field of a line can be, if a value is that. */
export function wrongWithValue(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is not a text';
  if (value === '') return 'is empty';
  if (value.trim() !== value) return 'begins or ends with a blank';
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(value)) return 'has characters that cannot be seen';
  if (value.includes('"')) return 'has a quotation mark, which casbin reads in more than one way';
  if (/(^|\s)#/.test(value)) return 'has a comment in it: put comments on lines of their own';
  return undefined;
}

/** For a message of one line. */
function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, 200);
}
