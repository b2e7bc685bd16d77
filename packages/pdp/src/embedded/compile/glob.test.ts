import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globMatcher, isPattern, isSupportedPattern } from './glob.js';

const fits = (pattern: string, ...names: readonly string[]): readonly string[] => names.filter(globMatcher(pattern));

describe('a pattern', () => {
  it('has `*` for anything but a colon, and `**` for anything', () => {
    const names = ['x', 'x:', 'x:y', 'x:y:z', ':x', 'xy', 'é:\u{1f600}'];
    expect(fits('*', ...names)).toEqual(names);
    expect(fits('**', ...names)).toEqual(names);
    expect(fits('x*', ...names)).toEqual(['x', 'xy']);
    expect(fits('x:*', ...names)).toEqual(['x:', 'x:y']);
    expect(fits('x:**', ...names)).toEqual(['x:', 'x:y', 'x:y:z']);
    expect(fits('*:*', ...names)).toEqual(['x:', 'x:y', ':x', 'é:\u{1f600}']);
    expect(fits('**x**', ...names)).toEqual(['x', 'x:', 'x:y', 'x:y:z', ':x', 'xy']);
  });

  it('has alternatives', () => {
    expect(fits('{read,write}*', 'read', 'reader', 'write', 'rewrite', 'read:x')).toEqual(['read', 'reader', 'write']);
    expect(fits('*:{a,b:c}', ':a', 'x:b:c', 'x:b', 'x:c', 'a')).toEqual([':a', 'x:b:c']);
    expect(fits('{a\\,b,c}*', 'a,b', 'a', 'c', 'cd')).toEqual(['a,b', 'c', 'cd']);
  });

  it('takes the meaning from a character behind a backslash', () => {
    expect(fits('\\**', '*', '*a', 'a', '\\*')).toEqual(['*', '*a']);
    expect(fits('a\\*', 'a*', 'ab', 'a\\*')).toEqual(['a*']);
    expect(fits('\\{a}*', '{a}', 'a', '{a}b')).toEqual(['{a}', '{a}b']);
  });

  it('is one only with `*` in it', () => {
    expect(isPattern('read')).toBe(false);
    expect(isPattern('{a,b}')).toBe(false);
    expect(isPattern('a*')).toBe(true);
  });

  it.each(['read', 'a:b', 'x:*', '**', '{a,b}*', 'a\\*', '*a**b', 'x:**y:z', 'tools/*', 'a-b@c*'])(
    'is supported: %s',
    (pattern) => {
      expect(isSupportedPattern(pattern)).toBe(true);
    },
  );

  it.each([
    ...['{a,b}', 'a?', '[ab]', 'a\\b', 'a}', '!a'],
    ...['a?*', '[ab]*', '[!a]*', '***', 'a***', '{a,b*}', '{a,{b,c}}*', '{,a}*', '{}*', '{a*', '*\\', 'é*', '{a?}*'],
    ...['a**a', 'x:**:z', '{ab,c}**b', 'ab**{c,bd}'],
  ])('is refused, because Cerbos takes it in ways of its own: %s', (pattern) => {
    expect(isSupportedPattern(pattern)).toBe(false);
  });

  it('that is refused fits nothing', () => {
    expect(fits('[ab]*', 'a', '[ab]*')).toEqual([]);
  });

  it('fits what a regular expression with the same meaning fits', () => {
    const part = fc.oneof(
      fc.constantFrom('a', 'b', ':', 'ab', 'c').map((text) => [text, text] as const),
      fc.constant(['*', '[^:]*'] as const),
      fc.constant(['**', '[^]*'] as const),
      fc.constant(['\\*', '\\*'] as const),
      fc.constant(['{a,bc,:}', '(?:a|bc|:)'] as const),
    );
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ':', '*', '\u{1f600}'), maxLength: 8 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), fc.array(name), (parts, names) => {
        const pattern = parts.map(([glob]) => glob).join('');
        fc.pre(pattern !== '*' && isPattern(pattern) && isSupportedPattern(pattern));
        fc.pre(!parts.some(([glob], index) => glob.startsWith('*') && parts[index + 1]?.[0].startsWith('*')));
        const expression = new RegExp(`^${parts.map(([, source]) => source).join('')}$`);
        for (const one of [...names, ...names.map((text) => pattern.replaceAll('*', text))])
          expect([pattern, one, globMatcher(pattern)(one)]).toEqual([pattern, one, expression.test(one)]);
      }),
    );
  });

  it('takes no more than its length times the name’s, however it is made', () => {
    const many = Array.from({ length: 50 }, () => '{a,aa,aaa}*').join('');
    expect(globMatcher(`${many}b`)('a'.repeat(2000))).toBe(false);
  });
});
