import { describe, expect, it } from 'vitest';
import type { ColumnType } from './columns.js';
import { resourceOfRow } from './resource-of-row.js';

describe('what a check is asked for a row', () => {
  it.each<readonly [ColumnType, unknown, unknown]>([
    ['text', 'a', 'a'],
    ['boolean', false, false],
    ['integer', 3, 3],
    ['integer', '9007199254740993', 9007199254740992],
    ['integer', 3n, 3],
    ['number', -0.5, -0.5],
    ['number', Number.NaN, null],
    ['number', Number.POSITIVE_INFINITY, null],
    ['numeric', '12.50', 12.5],
    ['numeric', '0.000', 0],
    ['numeric', 'NaN', null],
    ['numeric', '1e400', null],
    ['numeric', '0.' + '0'.repeat(400) + '1', null],
    ['timestamp', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['timestamp', Number.POSITIVE_INFINITY, 'Infinity'],
    ['timestamp', new Date(Number.NaN), 'invalid'],
    ['text[]', ['a', null], ['a', null]],
    ['integer[]', [1, '2'], [1, 2]],
    ['boolean[]', [], []],
    ['jsonb', { k: [1, null, { x: 'y' }] }, { k: [1, null, { x: 'y' }] }],
    ['uuid', '6f9619ff-8b86-4d01-b42d-00c04fc964ff', '6f9619ff-8b86-4d01-b42d-00c04fc964ff'],
    ['text', null, null],
  ])('a %s %o is %o', (type, held, attribute) => {
    expect(resourceOfRow({ a: held }, { columns: { a: type } })).toEqual({ id: '', attr: { a: attribute } });
  });

  it('has no attribute for a NULL, where the column says so', () => {
    const columns = { a: { type: 'text', null: 'absent' }, n: { type: 'number', null: 'absent' } } as const;
    expect(resourceOfRow({ a: null, n: Number.NaN }, { columns })).toEqual({ id: '', attr: {} });
  });

  it('has the row’s id, and reads the column that was named', () => {
    const map = { id: { type: 'text', column: 'key' }, columns: { a: { type: 'text', column: 'b' } } } as const;
    expect(resourceOfRow({ key: 'x', a: 'no', b: 'yes' }, map)).toEqual({ id: 'x', attr: { a: 'yes' } });
  });

  it('keeps an attribute named like a prototype apart', () => {
    const named = Object.fromEntries([['__proto__', 'x']]);
    const columns = Object.fromEntries([['__proto__', 'text' as const]]);
    const { attr } = resourceOfRow(named, { columns });
    expect(Object.entries(attr)).toEqual([['__proto__', 'x']]);
  });

  it.each<readonly [ColumnType, unknown]>([
    ['text', 1],
    ['text', undefined],
    ['boolean', 'true'],
    ['integer', 'one'],
    ['integer', ''],
    ['timestamp', '2024-01-01'],
    ['text[]', 'a'],
    ['text[]', [['a']]],
    ['integer[]', [{}]],
    ['jsonb', Number.POSITIVE_INFINITY],
    ['jsonb', { a: undefined }],
  ])('a %s that holds %o is refused', (type, held) => {
    expect(() => resourceOfRow({ a: held }, { columns: { a: type } })).toThrow(
      expect.objectContaining({ code: 'storage_refused' }),
    );
  });

  it('does not take what every object has for a column', () => {
    expect(() => resourceOfRow({}, { columns: Object.fromEntries([['constructor', 'text' as const]]) })).toThrow(
      expect.objectContaining({ code: 'storage_refused' }),
    );
  });

  it('refuses a row without an id', () => {
    expect(() => resourceOfRow({ id: null }, { id: 'text', columns: {} })).toThrow(
      expect.objectContaining({ code: 'storage_refused' }),
    );
  });
});
