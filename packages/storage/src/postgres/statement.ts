import { refused } from '../access.js';

/** What a statement is, as far as a tenant's transaction needs to know. */
export type StatementKind = 'data' | 'defining' | 'savepoint' | 'begin' | 'commit' | 'rollback';

const data: ReadonlySet<string> = new Set([
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'WITH',
  'VALUES',
  'TABLE',
  'SHOW',
  'CALL',
]);

/**
 * Says what a statement is, and refuses what has no place inside a tenant's transaction: statements that change the
 * session or its settings (`SET`, `RESET`, `DISCARD`), that may outlive the transaction (`PREPARE`, `LISTEN`, a cursor
 * `WITH HOLD`), that run other code (`DO`, `COPY`), and that define things. The list is of what is let through.
 *
 * One word is enough to tell, because the server takes exactly one statement a message. What an expression inside a
 * statement does, as `set_config(…)`, is a matter of privileges, which `verify()` looks at.
 *
 * `BEGIN`, `COMMIT` and `ROLLBACK` without more are what query builders send for a transaction of their own; they
 * become savepoints.
 *
 * @param defining - lets everything else through, as `defining`: for migrations
 * @throws PortcullisError `storage_refused`, with the word
 */
export function statementKind(text: string, defining: boolean): StatementKind {
  // Almost every statement is one of these, and it may be long: no more of it is read than its first word.
  if (!defining && data.has(firstWord(text, 0))) return 'data';
  return kindAfterComments(text, afterComments(text, 0), defining);
}

function kindAfterComments(text: string, start: number, defining: boolean): StatementKind {
  const first = firstWord(text, start);
  if (data.has(first) && !(defining && text.includes(';', start))) return 'data';
  if (first === 'EXPLAIN' && !defining) {
    // EXPLAIN ANALYZE runs what it explains.
    explains.lastIndex = start;
    const explained = explains.test(text) ? firstWord(text, afterComments(text, explains.lastIndex)) : '';
    if (data.has(explained)) return 'data';
    throw refused(`\`EXPLAIN ${explained}\` has no place in a tenant’s transaction`);
  }
  const whole = controls.has(first)
    ? text.slice(start).replace(/;\s*$/, '').trim().toUpperCase().replace(/\s+/g, ' ')
    : '';
  if (/^(?:BEGIN|START)(?: TRANSACTION| WORK)?$/.test(whole)) return 'begin';
  if (/^(?:COMMIT|END)(?: TRANSACTION| WORK)?$/.test(whole)) return 'commit';
  if (/^(?:ROLLBACK|ABORT)(?: TRANSACTION| WORK)?$/.test(whole)) return 'rollback';
  if (/^(?:SAVEPOINT|RELEASE)\b/.test(whole) || /^ROLLBACK(?: TRANSACTION| WORK)? TO\b/.test(whole)) return 'savepoint';
  if (defining) return 'defining';
  if (first === 'BEGIN' || first === 'START')
    throw refused('the transaction is open already: its isolation and access mode are options of `withTenant`');
  throw refused(`\`${first === '' ? text.slice(start, start + 20) : first}\` has no place in a tenant’s transaction`);
}

const controls: ReadonlySet<string> = new Set([
  'BEGIN',
  'START',
  'COMMIT',
  'END',
  'ROLLBACK',
  'ABORT',
  'SAVEPOINT',
  'RELEASE',
]);

const explains = /EXPLAIN\s*(?:\([^()]*\)\s*|(?:ANALYZE|VERBOSE)\s+)*/iy;
const word = /[\s(]*([A-Za-z]*)/y;

/** In upper case; `''` where there is none, as before a comment. */
function firstWord(text: string, start: number): string {
  word.lastIndex = start;
  return word.exec(text)?.[1]?.toUpperCase() ?? '';
}

const space = /\s*/y;
const lineEnd = /[\r\n]|$/g;

/** Where the comments at the beginning end. PostgreSQL's block comments nest. */
function afterComments(text: string, start: number): number {
  for (let at = start; ;) {
    space.lastIndex = at;
    space.test(text);
    at = space.lastIndex;
    if (text.startsWith('--', at)) {
      lineEnd.lastIndex = at;
      lineEnd.test(text);
      at = lineEnd.lastIndex;
    } else if (text.startsWith('/*', at)) at = afterBlockComment(text, at);
    else return at;
  }
}

function afterBlockComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('/*', at)) {
      depth++;
      at++;
    } else if (text.startsWith('*/', at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}
