import { LineCounter, parseDocument } from 'yaml';
import { describe, expect, it } from 'vitest';
import { cleverYaml } from './clever-yaml.js';

function findingOn(text: string): string | undefined {
  const lines = new LineCounter();
  const found = cleverYaml(parseDocument(text, { version: '1.2', lineCounter: lines }));
  return found === undefined ? undefined : `${String(lines.linePos(found.offset).line)}: ${found.construct}`;
}

describe('what two parsers may read in two ways', () => {
  it.each([
    ...[
      '010',
      '-010',
      '0777',
      '08',
      '0o10',
      '0x1f',
      '-0x1f',
      '+0x1',
      '0b11',
      '1_000',
      '1__0',
      '0_',
      '1e3',
      '12e03',
      '1e-7',
    ],
    ...[
      '1e400',
      '.5',
      '1.',
      '+1',
      '123456789012345678901',
      '1234567890123456',
      '...',
      '1.2.3',
      '100000000000000000000.0',
    ],
  ])('is found, with its line: the number `%s`', (number) => {
    expect(findingOn(`a: b\nc: ${number}`)).toMatch(/^2: .*quotes/);
    expect(findingOn(`a: b\nc: [x, ${number}]`)).toMatch(/^2: .*quotes/);
  });

  it.each([
    ['an anchor', 'a: &x b'],
    ['an alias', 'a: &x b\nc: *x'],
    ['a tag', 'a: !!str 1'],
    ['the merge key', 'a: { <<: { b: c } }'],
    ['a key that is null', 'a: { ~: c }'],
    ['an empty key', 'a: { : c }'],
  ])('is found: %s', (_name, text) => {
    expect(findingOn(text)).toBeDefined();
  });

  it.each([
    ...['0', '-0', '1', '-12', '1.5', '-0.25', '999999999999999', '2024-01-01', '2024-01-01T00:00:00Z', '10.0.0.0/8'],
    ...[
      'no',
      'yes',
      'on',
      '~',
      'null',
      'True',
      'a1_0',
      '-',
      '-a',
      'tools/list',
      '"010"',
      "'1e3'",
      '|\n  010',
      '>-\n  1e3',
    ],
  ])('is not found where there is one way: `%s`', (text) => {
    expect(findingOn(`a: ${text}`)).toBeUndefined();
  });
});
