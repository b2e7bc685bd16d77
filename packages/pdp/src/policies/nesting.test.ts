import { describe, expect, it } from 'vitest';
import { isNestedTooDeep } from './nesting.js';

describe('a file that is nested too deep', () => {
  it.each([
    ['lists', `a: ${'['.repeat(201)}${']'.repeat(201)}`],
    ['maps', `a: ${'{a: '.repeat(201)}1${'}'.repeat(201)}`],
    ['both', `a: ${'[{a: '.repeat(101)}1${'}]'.repeat(101)}`],
    ['what is never closed', '['.repeat(201)],
    // What closes nothing opens nothing: an underflow would hide as many levels.
    ['more closed than opened', `${']'.repeat(300)}\n${'['.repeat(201)}`],
    ['blocks of one line', `${'- '.repeat(150)}a`],
    ['blocks below one another', Array.from({ length: 201 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['keys that are blocks', `${'? '.repeat(150)}a`],
  ])('is one of %s', (_what, text) => {
    expect(isNestedTooDeep(text)).toBe(true);
  });

  it.each([
    ['as deep as may be', `a: ${'['.repeat(200)}${']'.repeat(200)}`],
    ['many that are closed', '- [{a: 1}]\n'.repeat(500)],
    ['brackets in a text', `a: "${'['.repeat(300)}"\n`],
    ['brackets in a comment', `# ${'['.repeat(300)}\na: 1\n`],
    ['a long line', `a: ${'x'.repeat(10_000)}`],
  ])('is none with %s', (_what, text) => {
    expect(isNestedTooDeep(text)).toBe(false);
  });
});
