import { afterEach, describe, expect, it, vi } from 'vitest';
import { statementKind, type StatementKind } from './statement.js';

describe('the kind of a statement', () => {
  it.each<[string, StatementKind]>([
    ['SELECT 1', 'data'],
    ['  ( (select 1))', 'data'],
    ['-- a\n/* b /* c */ */\r\n-- d\rwith x AS (SELECT 1) TABLE x', 'data'],
    ['explain (analyze, verbose) SELECT 1', 'data'],
    ['EXPLAIN ANALYZE VERBOSE /* x */ DELETE FROM notes', 'data'],
    ['begin', 'begin'],
    ['/* x */ START  TRANSACTION ;', 'begin'],
    ['COMMIT;\n', 'commit'],
    ['End Work', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['abort\ttransaction', 'rollback'],
    ['SAVEPOINT "x"', 'savepoint'],
    ['release x', 'savepoint'],
    ['ROLLBACK  TO x', 'savepoint'],
    ['ROLLBACK WORK TO SAVEPOINT x', 'savepoint'],
  ])('%j: %s', (text, kind) => {
    expect(statementKind(text, false)).toBe(kind);
    expect(statementKind(text, true)).toBe(/^explain/i.test(text) ? 'defining' : kind);
  });

  it.each([
    '',
    ';',
    '-- SELECT 1',
    '/* SELECT 1',
    '/* /* */ SELECT 1',
    'BEGIN READ ONLY',
    'COMMIT AND CHAIN',
    'COMMIT PREPARED x',
    'ROLLBACK; SELECT 1',
    'SELECTED',
    'ſELECT 1',
    '"SELECT"',
    'SET x = 1',
    'EXPLAIN',
    'EXPLAIN EXPLAIN SELECT 1',
    'EXPLAIN BEGIN',
    '(EXPLAIN SELECT 1)',
    'EXPLAIN '.repeat(50_000),
    'EXPLAIN ANALYZE SET x = 1',
    'EXPLAIN (ANALYZE) CREATE TABLE x AS SELECT 1',
    'EXPLAIN -- SELECT\n EXECUTE p',
  ])('%j is refused, and defines where that is let through', (text) => {
    expect(() => statementKind(text, false)).toThrow(expect.objectContaining({ code: 'storage_refused' }) as Error);
    expect(statementKind(text, true)).toBe('defining');
  });

  it('of a script is defining, whatever it begins with', () => {
    expect(statementKind('SELECT 1; DROP TABLE notes', true)).toBe('defining');
    expect(statementKind('SELECT 1', true)).toBe('data');
  });
});

describe('a long statement', () => {
  const long = `SELECT ${'x'.repeat(100_000)}`;
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('is read no further than its first word', () => {
    const split = vi.spyOn(String.prototype, 'split');
    const upper = vi.spyOn(String.prototype, 'toUpperCase');
    const slice = vi.spyOn(String.prototype, 'slice');
    for (const text of [long, `(${long})`, `EXPLAIN ${long}`, `-- why\n${long}`]) statementKind(text, false);
    const worked = [split, upper, slice].flatMap(({ mock }) => mock.contexts).map((text) => String(text).length);
    vi.restoreAllMocks();
    expect(worked.filter((length) => length > 100)).toEqual([]);
  });
});
