import { describe, expect, it } from 'vitest';
import { tenantId, type Decision } from '@portcullis/core';
import { answersByPosition } from './answers-by-position.js';

const asked = {
  questions: [
    { resource: { kind: 'doc', id: '1', tenant: tenantId('acme') }, actions: ['read', 'write'] },
    { resource: { kind: 'doc', id: '2', tenant: tenantId('acme') }, actions: [] },
  ],
};
const said = (action: string, id = '1', kind = 'doc'): Decision => ({ action, resource: { kind, id } }) as Decision;

describe('an answer', () => {
  it('passes if it has a decision at each place', () => {
    const answer = [[said('read'), said('write')], []];
    expect(answersByPosition(asked, answer)).toBe(answer);
  });

  it.each([
    ['a row too few', [[said('read'), said('write')]]],
    ['a row too many', [[said('read'), said('write')], [], []]],
    ['a decision too few', [[said('read')], []]],
    ['a decision too many', [[said('read'), said('write'), said('read')], []]],
    ['a hole', [[said('read'), undefined as unknown as Decision], []]],
    ['no row at a place', [undefined as unknown as Decision[], []]],
    ['its decisions in another order', [[said('write'), said('read')], []]],
    ['its rows in another order', [[], [said('read'), said('write')]]],
    ['a decision on another resource', [[said('read'), said('write', '2')], []]],
    ['a decision on another kind', [[said('read'), said('write', '1', 'file')], []]],
  ])('fails with %s', (_what, answer) => {
    expect(() => answersByPosition(asked, answer)).toThrow(expect.objectContaining({ code: 'pdp_unavailable' }));
  });
});
