import { describe, expect, it } from 'vitest';
import { identityFor } from '@portcullis/testing/contexts';
import { mayBeOnePerson, personOf } from './person.js';

const olga = personOf(
  identityFor({ provider: 'staff', subject: 'olga', sub: 'pairwise-1', email: 'olga@example.com' }),
);

describe('two identities may be one person', () => {
  it.each([
    ['with the same key', { key: olga.key }],
    ['with the same subject', { subject: 'olga' }],
    ['with the same `sub`', { sub: 'pairwise-1' }],
    ['with a subject that is the other’s `sub`', { subject: 'pairwise-1' }],
    ['with a `sub` that is the other’s subject', { sub: 'olga' }],
    ['with the same e-mail address', { email: 'olga@example.com' }],
  ])('%s', (_what, more) => {
    const other = { key: 'other#sue', subject: 'sue', sub: 'pairwise-2', ...more };
    expect(mayBeOnePerson(olga, other)).toBe(true);
    expect(mayBeOnePerson(other, olga)).toBe(true);
  });

  it('in whatever letters the address is written', () => {
    const other = personOf(identityFor({ subject: 'sue', email: ' Olga@EXAMPLE.com ' }));
    expect(mayBeOnePerson(olga, other)).toBe(true);
  });

  it('not because neither has an address, or an empty one', () => {
    const [one, other] = [undefined, ' '].map((email, index) =>
      personOf(identityFor({ subject: `s${String(index)}`, email })),
    );
    expect(mayBeOnePerson(one!, other!)).toBe(false);
    const [third, fourth] = ['', ''].map((email, index) =>
      personOf(identityFor({ subject: `t${String(index)}`, email })),
    );
    expect(mayBeOnePerson(third!, fourth!)).toBe(false);
  });
});
