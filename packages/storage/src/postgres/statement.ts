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
  const bare = withoutLeadingComments(text);
  const words = bare.replace(/;\s*$/, '').trim().toUpperCase().split(/\s+/);
  const [first = ''] = /^\(*\s*([A-Z]*)/.exec(bare.toUpperCase())?.slice(1) ?? [];
  if (data.has(first) && !(defining && bare.includes(';'))) return 'data';
  // EXPLAIN ANALYZE runs what it explains.
  const explained = /^EXPLAIN\s*(?:\([^()]*\)\s*|(?:ANALYZE|VERBOSE)\s+)*/i.exec(bare)?.[0];
  if (explained !== undefined && !defining) return statementKind(bare.slice(explained.length), defining);
  const whole = words.join(' ');
  if (/^(?:BEGIN|START)(?: TRANSACTION| WORK)?$/.test(whole)) return 'begin';
  if (/^(?:COMMIT|END)(?: TRANSACTION| WORK)?$/.test(whole)) return 'commit';
  if (/^(?:ROLLBACK|ABORT)(?: TRANSACTION| WORK)?$/.test(whole)) return 'rollback';
  if (/^(?:SAVEPOINT|RELEASE)\b/.test(whole) || /^ROLLBACK(?: TRANSACTION| WORK)? TO\b/.test(whole)) return 'savepoint';
  if (defining) return 'defining';
  if (first === 'BEGIN' || first === 'START')
    throw refused('the transaction is open already: its isolation and access mode are options of `withTenant`');
  throw refused(`\`${first === '' ? bare.slice(0, 20) : first}\` has no place in a tenant’s transaction`);
}

/** PostgreSQL's block comments nest. */
function withoutLeadingComments(text: string): string {
  let at = 0;
  for (;;) {
    at += /^\s*/.exec(text.slice(at))?.[0].length ?? 0;
    if (text.startsWith('--', at)) {
      const end = /[\r\n]/.exec(text.slice(at));
      if (end === null) return '';
      at += end.index + 1;
    } else if (text.startsWith('/*', at)) at = afterBlockComment(text, at);
    else return text.slice(at);
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
