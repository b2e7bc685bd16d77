import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttributeValue } from '@portcullis/core';
import { requestsIn } from './preauthorize.js';

const invalid = expect.objectContaining({ code: 'request_invalid' }) as Error;

describe('the requests in a body', () => {
  const one = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: 'whatever' };

  it('are what has a method and an id, as it came', () => {
    expect(requestsIn(one)).toEqual([one]);
    expect(requestsIn([one, { ...one, id: 'a' }])).toEqual([one, { ...one, id: 'a' }]);
  });

  it.each<[string, AttributeValue | undefined]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'tools/call'],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['an answer', { jsonrpc: '2.0', id: 1, result: {} }],
    [
      'an id that is none',
      [
        { ...one, id: null },
        { ...one, id: { a: 1 } },
        { ...one, id: [1] },
        { ...one, id: true },
      ],
    ],
    [
      'a method that is none',
      [
        { ...one, method: 1 },
        { ...one, method: null },
        { ...one, method: ['tools/call'] },
      ],
    ],
    ['a batch in a batch', [[one]]],
  ])('are not %s', (_what, body) => {
    expect(requestsIn(body)).toEqual([]);
  });

  it('are found in any JSON, and nothing else of it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.uniqueArray(fc.integer(), { maxLength: 5 }), (junk, ids) => {
        const requests = ids.map((id) => ({ ...one, id }));
        const noise = { jsonrpc: '2.0', id: 'x', result: junk as AttributeValue };
        expect(requestsIn([noise, ...requests, noise, [junk as AttributeValue]])).toEqual(requests);
      }),
    );
  });

  it('share no id, and are no more than a hundred', () => {
    expect(() => requestsIn([one, { ...one }])).toThrow(invalid);
    expect(requestsIn([one, { ...one, id: '1' }])).toHaveLength(2);
    expect(() => requestsIn(Array.from({ length: 101 }, (_, id) => ({ ...one, id })))).toThrow(invalid);
  });
});
