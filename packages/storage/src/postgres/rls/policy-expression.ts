import { quoteIdentifier } from '../quote.js';

/** What can be told of a policy's expression from its text. */
export interface PolicyExpression {
  /** What it uses beyond the tenant column, settings, constants and equality: then trying it proves nothing. */
  readonly unproven?: string | undefined;
  /** The texts and numbers that it names, without the names of settings and the empty text. */
  readonly constants: readonly string[];
}

/**
 * Reads a policy's expression, as `pg_get_expr` writes it.
 *
 * What compares by equality alone can tell tenants apart only by whether they are the same, none, or one that it names.
 * Two tenants, no tenant, and each constant then stand for all there are, and trying those is a proof. Everything else
 * may make a difference that no trial meets: a function's result may change with the time, the client or the other
 * columns of the row, another comparison may take a tenant for another. Built-in functions are no dependencies that the
 * catalog would record, so the text is what tells. The list is of what is let through.
 */
export function readPolicy(text: string, tenantColumn: string): PolicyExpression {
  const constants = new Set<string>();
  const all = tokens(text);
  if (all === undefined) return { unproven: 'cannot be read', constants: [] };
  for (const [index, token] of all.entries()) {
    const before = all[index - 1];
    const after = all[index + 1]?.text;
    const unproven =
      token.kind === 'word' || token.kind === 'quoted'
        ? oddName(token, before, after, tenantColumn)
        : oddSign(token, before, all[index - 2]);
    if (unproven !== undefined) return { unproven, constants: [] };
    if (token.kind === 'constant' && token.text !== '' && !names(all, index)) constants.add(token.text);
  }
  return constants.size > 10
    ? { unproven: 'names more than ten constants', constants: [] }
    : { constants: [...constants] };
}

/**
 * Whether the expression is the tenant column compared with one call of a function without arguments, which then
 * stands for the current tenant: `tenant_id = f()`, `tenant_id = (SELECT f())`.
 */
export function comparesWithCall(text: string, tenantColumn: string): boolean {
  const column = [tenantColumn, quoteIdentifier(tenantColumn)].map(escaped).join('|');
  const name = '(?:"(?:[^"]|"")+"|[a-z_][\\w$]*)';
  const call = `(?:${name}\\.)?${name}\\(\\)`;
  return new RegExp(
    `^\\((?:(?:${column})|\\((?:${column})\\)::text) = (?:${call}|\\( ?SELECT ${call}(?: AS ${name})?\\))\\)$`,
  ).test(text);
}

interface Token {
  readonly kind: 'word' | 'quoted' | 'constant' | 'cast' | 'sign';
  readonly text: string;
}

const shapes: readonly (readonly [Token['kind'], RegExp])[] = [
  ['constant', /E'((?:[^'\\]|''|\\.)*)'/y],
  ['constant', /'((?:[^']|'')*)'/y],
  ['constant', /(\d+)(?![\w.])/y],
  ['quoted', /"((?:[^"]|"")+)"/y],
  // Only casts that keep different tenants different: one with a length cuts off, and one to a boolean takes all for two.
  ['cast', /::(text|character varying|bpchar|uuid|smallint|integer|bigint|numeric)(?![\w.([])/y],
  ['word', /([a-z_][\w$]*)/iy],
  ['sign', /(::|[-+*/<>=~!@#%^&|`?]+|[()[\],.])/y],
];

function tokens(text: string): readonly Token[] | undefined {
  const all: Token[] = [];
  for (let at = 0; ;) {
    while (text[at] === ' ' || text[at] === '\n') at++;
    if (at >= text.length) return all;
    const token = tokenAt(text, at);
    if (token === undefined) return undefined;
    all.push(token.token);
    at = token.end;
  }
}

function tokenAt(text: string, at: number): { readonly token: Token; readonly end: number } | undefined {
  for (const [kind, shape] of shapes) {
    shape.lastIndex = at;
    const found = shape.exec(text);
    if (found === null) continue;
    const [whole, inner = ''] = found;
    const quote = whole.at(-1) === "'" ? "'" : '"';
    const plain = kind === 'constant' || kind === 'quoted' ? inner.replaceAll(quote + quote, quote) : inner;
    return {
      token: { kind, text: whole.startsWith('E') && kind === 'constant' ? plain.replaceAll('\\\\', '\\') : plain },
      end: at + whole.length,
    };
  }
  return undefined;
}

const keywords: ReadonlySet<string> = new Set(
  'AND OR NOT IS NULL TRUE FALSE UNKNOWN DISTINCT FROM SELECT AS CASE WHEN THEN ELSE END IN ANY ALL ARRAY COLLATE'.split(
    ' ',
  ),
);
/** Those that leave a tenant what it is. Others, as `lower` or `left`, take different tenants for one. */
const functions: ReadonlySet<string> = new Set(['CURRENT_SETTING', 'NULLIF', 'COALESCE']);

function oddName(
  token: Token,
  before: Token | undefined,
  after: string | undefined,
  column: string,
): string | undefined {
  const word = token.text.toUpperCase();
  const last = before?.kind === 'word' ? before.text.toUpperCase() : '';
  if (last === 'AS' || last === 'COLLATE') return after === '.' ? `reads \`${token.text}\`` : undefined;
  const isBare = token.kind === 'word';
  if (isBare && word === 'FROM') return last === 'DISTINCT' ? undefined : 'reads from something else';
  if (isBare && keywords.has(word)) return undefined;
  if (after === '(')
    return isBare && before?.text !== '.' && functions.has(word) ? undefined : `calls \`${token.text}\``;
  // A qualifier: what it qualifies comes next, and nothing but the column may.
  if (after === '.' || token.text === column) return undefined;
  return `reads \`${token.text}\``;
}

function oddSign(token: Token, before: Token | undefined, earlier: Token | undefined): string | undefined {
  if (token.kind !== 'sign') return undefined;
  if (token.text === '*' && before?.text === '.') return 'reads the whole row';
  if (token.text === '.')
    return (before?.kind === 'word' || before?.kind === 'quoted') && earlier?.text !== '.'
      ? undefined
      : 'reads a part of something';
  if (token.text === '::') return 'casts to another type';
  return /^(?:=|<>|[()[\],])$/.test(token.text) ? undefined : `compares by \`${token.text}\``;
}

/** Whether the constant is the name of a setting: its value is what counts. */
function names(all: readonly Token[], index: number): boolean {
  return all[index - 1]?.text === '(' && all[index - 2]?.text.toLowerCase() === 'current_setting';
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
