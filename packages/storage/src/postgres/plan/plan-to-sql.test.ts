import fc from 'fast-check';
import { tenantId, type AttributeValue, type Plan, type PlanExpression } from '@portcullis/core';
import { describe, expect, it } from 'vitest';
import { quoteIdentifier } from '../quote.js';
import { planToSql, type PlanToSqlOptions } from './plan-to-sql.js';

const about = { callId: '', durationMs: 0, engine: 'test' } as const;
const value = (of: AttributeValue): PlanExpression => ({ type: 'value', value: of });
const variable = (name: string): PlanExpression => ({ type: 'variable', name });
const attr = (name: string): PlanExpression => variable(`request.resource.attr.${name}`);
const of = (operator: string, ...operands: readonly PlanExpression[]): PlanExpression => ({
  type: 'operation',
  operator,
  operands,
});
const plan = (condition: PlanExpression): Plan => ({ ...about, outcome: 'conditional', condition });
const options: PlanToSqlOptions = {
  id: 'text',
  columns: {
    author: 'text',
    owner: { type: 'text', null: 'absent' },
    flag: 'boolean',
    n: 'number',
    count: 'integer',
    at: 'timestamp',
    tags: 'text[]',
    meta: 'jsonb',
  },
};
const present = {
  columns: { author: { type: 'text', null: 'absent' }, classification: { type: 'text', null: 'absent' } },
} as const;

describe('a plan without a condition', () => {
  it('allows every row, or none', () => {
    expect(planToSql({ ...about, outcome: 'always_allowed' }, { columns: {} })).toEqual({ text: 'TRUE', values: [] });
    expect(planToSql({ ...about, outcome: 'always_denied' }, options)).toEqual({ text: 'FALSE', values: [] });
  });

  it('allows no row of another tenant, and none that lacks an attribute', () => {
    expect(
      planToSql(
        { ...about, outcome: 'always_allowed' },
        { ...present, table: 'd', tenant: { column: 'tenant_id', is: tenantId('acme') }, firstParameter: 3 },
      ),
    ).toEqual({
      text: '("d"."tenant_id" = $3::text AND "d"."author"::text IS NOT NULL AND "d"."classification"::text IS NOT NULL)',
      values: ['acme'],
    });
  });
});

describe('the SQL of a condition', () => {
  it('is a condition with its values beside it', () => {
    const condition = of(
      'or',
      of('ne', attr('classification'), value('secret')),
      of('eq', attr('author'), value('alice')),
    );
    expect(planToSql(plan(condition), { ...present, tenant: { column: 'tenant_id', is: tenantId('acme') } })).toEqual({
      text: [
        '("tenant_id" = $1::text',
        '"author"::text IS NOT NULL',
        '"classification"::text IS NOT NULL',
        '((NOT ("classification" = $2::text AND "classification"::text COLLATE "C" = $2::text)) OR ("author" = $3::text AND "author"::text COLLATE "C" = $3::text)))',
      ]
        .join(' AND ')
        .replaceAll('"classification" =', '"classification"::text =')
        .replaceAll('"author" =', '"author"::text ='),
      values: ['acme', 'secret', 'alice'],
    });
  });

  it('takes a NULL for null unless the column says otherwise', () => {
    expect(planToSql(plan(of('eq', attr('author'), value(null))), { columns: { author: 'text' } }).text).toBe(
      '("author"::text IS NULL)',
    );
  });

  it('keeps a column of whole numbers bare for an index', () => {
    const { text } = planToSql(plan(of('gt', attr('count'), value(3))), { columns: { count: 'integer' } });
    expect(text).toBe('("count" > $1::bigint)');
  });

  it('keeps a timestamp bare for an index where it is not negated', () => {
    const later = of('gt', of('timestamp', attr('at')), of('timestamp', value('2024-01-01T00:00:00Z')));
    expect(planToSql(plan(of('and', attr('flag'), later)), options).text).toMatch(/"at" >= \$\d+::text::timestamptz\)/);
    expect(planToSql(plan(of('not', later)), options).text).toContain('CASE');
  });

  it('sends a value that occurs twice once', () => {
    const { text, values } = planToSql(plan(of('eq', attr('author'), value('a'))), options);
    expect(text.match(/\$1::text/g)).toHaveLength(2);
    expect(values).toEqual(['a']);
  });

  it('takes a long chain, which the planner nests', () => {
    const chain = Array.from({ length: 2000 }, (_one, index) => of('eq', attr('count'), value(index))).reduce(
      (all, one) => of('or', all, one),
    );
    expect(planToSql(plan(chain), options).values).toHaveLength(2000);
  });
});

/** Conditions that are refused, and what the operator of the system reads. */
const refused: readonly (readonly [string, PlanExpression, RegExp])[] = [
  ['an attribute that is in no column', of('eq', attr('secret'), value(1)), /`secret`/],
  ['an attribute that every object has', of('eq', attr('constructor'), value(1)), /`constructor`/],
  ['an attribute named like a prototype', of('eq', attr('__proto__'), value(1)), /`__proto__`/],
  ['a variable of the request', of('eq', variable('request.principal.attr.x'), value(1)), /`request.principal.attr.x`/],
  ['a resource’s kind', of('eq', variable('request.resource.kind'), value('x')), /`request.resource.kind`/],
  ['an unknown operator', of('frobnicate', attr('author')), /`frobnicate`/],
  ['an operator that every object has', of('toString', attr('author')), /`toString`/],
  ['too few operands', of('eq', attr('author')), /`eq`/],
  ['too many operands', of('not', attr('flag'), attr('flag')), /`not`/],
  ['`and` of nothing', of('and'), /`and`/],
  ['a string as a condition', attr('author'), /text/],
  ['a constant as a condition', value('true'), /string/],
  ['order between types', of('lt', attr('author'), value(1)), /`lt`/],
  ['a search in a number', of('contains', attr('n'), value('1')), /`contains`/],
  ['a regular expression', of('matches', attr('author'), value('^a.*$')), /`matches`/],
  ['a whole number in arithmetic', of('gt', of('add', attr('n'), value(1)), value(0)), /`add`/],
  ['division by a column', of('gt', of('div', attr('n'), attr('n')), value(0)), /`div`/],
  ['division by almost nothing', of('gt', of('div', attr('n'), value(1e-200)), value(0)), /`div`/],
  ['a number that may have been rounded', of('eq', attr('n'), value(2 ** 53)), /exact/],
  ['a number that is none', of('eq', attr('n'), value(Number.NaN)), /exact/],
  ['a number so small that it may be rounded', of('eq', attr('n'), value(1e-300)), /exact/],
  ['a NUL', of('eq', attr('author'), value('a\0b')), /PostgreSQL/],
  ['half a surrogate pair', of('in', attr('author'), value(['\ud800'])), /PostgreSQL/],
  ['a NUL inside a map', of('eq', attr('meta'), value({ 'a\0': 1 })), /PostgreSQL|numbers/],
  ['numbers inside JSON', of('eq', attr('meta'), value([1.5])), /numbers/],
  ['two values of JSON', of('eq', attr('meta'), of('index', attr('meta'), value('k'))), /numbers/],
  ['a timestamp as text', of('eq', attr('at'), value('2024-01-01T00:00:00Z')), /stamp/],
  ['a malformed timestamp', of('lt', of('timestamp', attr('at')), of('timestamp', value('yesterday'))), /RFC 3339/],
  [
    'a malformed duration',
    of('lt', of('timeSince', of('timestamp', attr('at'))), of('duration', value('1x'))),
    /duration/,
  ],
  ['a time zone', of('eq', of('getHours', of('timestamp', attr('at')), value('Asia/Tokyo')), value(1)), /`getHours`/],
  ['a lambda alone', of('lambda', attr('flag'), variable('t')), /`lambda`/],
  ['`exists` without a lambda', of('exists', attr('tags'), value(true)), /`exists`/],
  [
    '`exists` with two variables',
    of('exists', attr('tags'), of('lambda', value(true), variable('i'), variable('t'))),
    /`exists`/,
  ],
  [
    'a variable that hides the request',
    of('exists', attr('tags'), of('lambda', value(true), variable('request.resource'))),
    /`exists`/,
  ],
  [
    'a variable named like the request',
    of('exists', attr('tags'), of('lambda', of('eq', attr('author'), value('x')), variable('request'))),
    /`request`/,
  ],
  [
    'a variable named like the resource',
    of('exists', attr('tags'), of('lambda', of('eq', variable('R.attr.author'), value('x')), variable('R'))),
    /`R`/,
  ],
  [
    'a variable of another lambda',
    of('exists', attr('tags'), of('lambda', of('eq', variable('u'), value('x')), variable('t'))),
    /`u`/,
  ],
  ['a map of the row', of('eq', attr('meta'), of('struct', of('set-field', value('k'), attr('n')))), /`struct`/],
  [
    'hierarchies of different delimiters',
    of('overlaps', of('hierarchy', attr('author')), of('hierarchy', value('a'), value(':'))),
    /delimiter/,
  ],
  [
    'a delimiter of two characters',
    of('overlaps', of('hierarchy', attr('author'), value('ab')), of('hierarchy', value('a'), value('ab'))),
    /delimiter/,
  ],
  ['a constant that is no list', of('in', attr('author'), value('author')), /list/],
  ['a list in place of a string', of('eq', of('lowerAscii', attr('tags')), value('x')), /`lowerAscii`/],
  ['all attributes at once', of('eq', variable('request.resource.attr'), value({})), /attributes/],
  [
    'what is nested too deep',
    Array.from({ length: 200 }).reduce<PlanExpression>((inner) => of('not', inner), attr('flag')),
    /deep/,
  ],
  [
    'what grows too large',
    Array.from({ length: 90 }).reduce<PlanExpression>((inner) => of('index', inner, value(0)), attr('meta')),
    /large/,
  ],
];

describe('what cannot be said exactly', () => {
  it.each(refused)('%s is refused', (_what, condition, detail) => {
    const attempt = (): unknown => planToSql(plan(condition), options);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'plan_untranslatable', detail: expect.stringMatching(detail) as unknown }),
    );
  });

  it('is refused also where another part would decide', () => {
    const attempt = (): unknown => planToSql(plan(of('and', value(false), of('frobnicate'))), options);
    expect(attempt).toThrow(expect.objectContaining({ code: 'plan_untranslatable' }));
  });
});

describe('a column map', () => {
  it.each<readonly [string, PlanToSqlOptions, RegExp]>([
    ['an unknown type', { columns: { a: 'money' as 'text' } }, /`a`/],
    ['a type that every object has', { columns: { a: 'toString' as 'text' } }, /`a`/],
    ['an unknown reading of NULL', { columns: { a: { type: 'text', null: 'never' as 'null' } } }, /`null`/],
    ['an empty column name', { columns: { '': 'text' } }, /identifier/],
    ['a name that PostgreSQL would cut off', { columns: { ['a'.repeat(64)]: 'text' } }, /identifier/],
    ['a name that a translation may make up', { columns: { portcullis_1: 'text' } }, /reserved/],
    ['a table of such a name', { columns: { a: 'text' }, table: 'Portcullis_1' }, /reserved/],
    ['an id that is a number', { columns: {}, id: { type: 'integer' as 'text' } }, /id/],
  ])('with %s is refused', (_what, map, message) => {
    const attempt = (): unknown => planToSql({ ...about, outcome: 'always_denied' }, map);
    expect(attempt).toThrow(message);
  });

  it('numbers parameters from 1 on', () => {
    expect(() => planToSql({ ...about, outcome: 'always_allowed' }, { ...options, firstParameter: 0 })).toThrow(
      TypeError,
    );
  });
});

describe('hostile names and values', () => {
  const hostile = fc
    .oneof(
      fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
      fc.constantFrom(
        '"',
        '""; DROP TABLE x; --',
        "' OR TRUE --",
        '$1',
        '\\',
        'a"b',
        '*/',
        "E'",
        '%',
        '::text',
        '"."',
        'NULL',
      ),
    )
    .filter((text) => !text.includes('\0') && !/^portcullis_/i.test(text) && Buffer.byteLength(text) <= 63);

  it('never become SQL: the text is that of a harmless name, quoted', () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (name, table, text) => {
        const conditions = (attribute: string, string: string): readonly PlanExpression[] => {
          const it = of('index', variable('request.resource.attr'), value(attribute));
          return [
            of('eq', it, value(string)),
            of('in', it, value([string, 'x'])),
            of('in', it, value({ [string]: string })),
            of('startsWith', of('add', it, value(string)), value(string)),
            of('eq', of('index', attr('meta'), value(string)), value({ [string]: string })),
            of('exists', attr('tags'), of('lambda', of('eq', variable('t'), value(string)), variable('t'))),
            of('hasIntersection', attr('tags'), value([string])),
          ];
        };
        const map = (attribute: string, qualifier: string): PlanToSqlOptions => ({
          columns: { ...Object.fromEntries([[attribute, 'text' as const]]), tags: 'text[]', meta: 'jsonb' },
          table: qualifier,
        });
        fc.pre(!['tags', 'meta'].includes(name));
        const harmless = conditions('name', 'text').map(
          (condition) => planToSql(plan(condition), map('name', 'table')).text,
        );
        const found = conditions(name, text).map((condition) => planToSql(plan(condition), map(name, table)).text);
        expect(found).toEqual(
          harmless.map((sql) =>
            sql.replace(/"(table|name)"/g, (_all, which) => quoteIdentifier(which === 'table' ? table : name)),
          ),
        );
      }),
    );
  });

  it('never choose an operator: any other name than one of the table is refused', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (operator) => {
        fc.pre(!/^(and|or|not|if|list|dyn|bool|size|string|in|eq|ne|lt|le|gt|ge|map|all)$/.test(operator));
        expect(() => planToSql(plan(of(operator, attr('flag'), attr('flag'))), options)).toThrow(
          expect.objectContaining({ code: 'plan_untranslatable' }),
        );
      }),
    );
  });
});
