import { LineCounter, parseDocument } from 'yaml';
import { describe, expect, it } from 'vitest';
import { cleverYaml } from './clever-yaml.js';

function findingOn(text: string): string | undefined {
  const lines = new LineCounter();
  const found = cleverYaml(parseDocument(text, { version: '1.2', lineCounter: lines }), text);
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
    ['an alias of nothing', 'a: *x'],
    ['a tag', 'a: !!str 1'],
    ['the merge key', 'a: { <<: { b: c } }'],
    ['a key that is null', 'a: { ~: c }'],
    ['an empty key', 'a: { : c }'],
    ['the key `__proto__`', 'a: { b: { __proto__: c } }'],
    ['the key `__proto__` in quotes', 'a: { b: { "__proto__": c } }'],
    ['the key `__proto__` by escapes', 'a: { b: { "\\u005f_proto__": c } }'],
    ['a directive', '%YAML 1.1\n---\na: b'],
    ['a directive of the same version', '%YAML 1.2\n---\na: b'],
    ['a directive for tags', '%TAG ! tag:example.com,2026:\n---\na: b'],
    ['a tab in text without quotes', 'expr: R.attr.x == "a\tb"'],
    ['a tab in a key without quotes', 'a\tb: c'],
    ['a tab behind a line break', 'expr: a\n \tb'],
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
      '2nd_line',
      '20260401_admin',
      '3d-model',
      '-',
      '-a',
      'tools/list',
      '"010"',
      "'1e3'",
      '__proto__',
      '"a\tb"',
      '|\n  010',
      '>-\n  1e3',
    ],
  ])('is not found where there is one way: `%s`', (text) => {
    expect(findingOn(`a: ${text}`)).toBeUndefined();
  });

  const lines: readonly [string, string][] = [
    ['a literal block', '|\n        mallory'],
    ['a literal block without its last line break', '|-\n        a\n        b'],
    ['a folded block', '>-\n        a\n\n\n        b'],
    ['quotes over several lines', '"a\n        b\n\n        c"'],
    ['single quotes over several lines', "'a\n        b'"],
    ['several lines without quotes', 'a\n        b'],
    ['such a list', '[a,\n        "b\n        c"]'],
    ['such a key', '{ "b\n        c": 1 }'],
  ];
  it.each(lines)('is found in constants, with its line: %s', (_name, text) => {
    expect(findingOn(`a: b\nconstants:\n    local:\n      c: ${text}\n`)).toMatch(/^[45]: .*several lines/);
    expect(findingOn(`a: b\nexportConstants:\n    definitions:\n      c: ${text}\n`)).toMatch(/^[45]: .*several lines/);
  });

  it.each(lines.slice(0, 6))('is not found in expressions, which both read alike: %s', (_name, text) => {
    expect(findingOn(`variables:\n    local:\n      expr: ${text}\n`)).toBeUndefined();
  });
});
