import { describe, expect, it } from 'vitest';
import type { PolicyDocument } from '@portcullis/core';
import { requireColumns } from './require-columns.js';

const policy = (expression: string, more: Partial<PolicyDocument> = {}): PolicyDocument => ({
  file: 'note.yaml',
  kind: 'resource',
  name: 'note',
  version: 'default',
  scope: '',
  requiresParentalConsent: false,
  rules: [],
  text: JSON.stringify({ resourcePolicy: { rules: [{ condition: { match: { expr: expression } } }] } }),
  ...more,
});
const map = { id: 'text', columns: { author: 'text' } } as const;
const refused = expect.objectContaining({ code: 'config_invalid' }) as Error;

describe('a column map', () => {
  it.each([
    'R.attr.author == P.id',
    'request.resource.attr["author"] == R.id',
    'R.attr.tenant == P.attr.tenant',
    'P.attr.secret == "R"',
    '{"a": 1}[P.attr.x] > 0',
    'R.attr.author == "b"',
    'R.attr.author in ["b", "ab"]',
  ])('serves %s', (expression) => {
    expect(() => {
      requireColumns([policy(expression)], 'note', map);
    }).not.toThrow();
  });

  it.each([
    'has(R.attr.locked)',
    '!(R.attr.locked in [])',
    'request.resource.attr.locked == 1',
    `R.attr['locked'] == 1`,
    'request.resource.attr["locked"] == 1',
    '{"a": 1}[R.attr.author] > 0',
    'R.attr.author == b"x"',
    'b"x" == R.attr.author',
    `R.attr.author == b'x'`,
  ])('does not serve %s', (expression) => {
    expect(() => {
      requireColumns([policy(expression)], 'note', map);
    }).toThrow(refused);
  });

  it('has to serve derived roles, variables, and rules of principals and roles on the kind, and no other kind', () => {
    const reads = (more: Partial<PolicyDocument>) => () => {
      requireColumns([policy('R.attr.locked', more)], 'note', map);
    };
    const rule = {
      actions: [],
      effect: 'allow',
      roles: [],
      derivedRoles: [],
      condition: '',
      resource: 'note',
    } as const;
    expect(reads({ name: 'ticket' })).not.toThrow();
    expect(reads({ name: 'no*' })).toThrow(refused);
    expect(reads({ kind: 'derived_roles', name: 'common' })).toThrow(refused);
    expect(reads({ kind: 'variables', name: 'common' })).toThrow(refused);
    expect(reads({ kind: 'principal', name: 'p', rules: [rule] })).toThrow(refused);
    expect(reads({ kind: 'principal', name: 'p', rules: [{ ...rule, resource: 'ticket' }] })).not.toThrow();
  });
});
