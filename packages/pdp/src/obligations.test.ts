import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttributeValue } from '@portcullis/core';
import { obligationsOf } from './obligations.js';

const of = (value: AttributeValue): readonly { type: string; id: string }[] =>
  obligationsOf([{ source: 'rule', action: 'a', value }]);

describe('obligations in policy outputs', () => {
  it('are read one by one, and in lists', () => {
    expect(of({ obligation: 'stamp', id: '1', text: 'x' })).toEqual([
      { id: '1', type: 'stamp', properties: { text: 'x' } },
    ]);
    expect(of({ obligations: [{ obligation: 'a' }, { obligation: 'b' }] }).map(({ type }) => type)).toEqual(['a', 'b']);
    expect(of('just a text')).toEqual([]);
    expect(of({ note: 'just an output' })).toEqual([]);
  });

  it('that are malformed do not get lost', () => {
    for (const value of [
      { obligation: 7 },
      { obligation: '' },
      { obligations: 'x' },
      { obligations: [7] },
      { obligations: [{}] },
      { obligation: 'a', id: 1 },
    ]) {
      expect(of(value).map(({ type }) => type)).toContain('malformed');
    }
  });

  it('are as many as were meant, whatever the values', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), (values) => {
        expect(of({ obligations: values as AttributeValue }).length).toBe(values.length);
      }),
    );
  });
});
