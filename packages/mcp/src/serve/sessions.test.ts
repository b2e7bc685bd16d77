import { contextFor } from '@portcullis/testing/contexts';
import { describe, expect, it } from 'vitest';
import { Sessions } from './sessions.js';

const acme = contextFor({ tenant: 'acme', subject: 'alice' });
const session = (id: string, closed: string[] = []) => ({
  id,
  transport: {
    handleRequest: () => Promise.resolve(new Response()),
    close: () => {
      closed.push(id);
      return Promise.resolve();
    },
  },
  guarded: {} as never,
});
const unknown = expect.objectContaining({ code: 'session_unknown' }) as Error;

describe('sessions', () => {
  it('are for whoever opened them: the same identity, client and tenant', async () => {
    const sessions = new Sessions({}, () => 0);
    await sessions.open(session('s'), acme);
    expect(sessions.find('s', contextFor({ tenant: 'acme', subject: 'alice' })).id).toBe('s');
    for (const other of [
      contextFor({ tenant: 'globex', subject: 'alice' }),
      contextFor({ tenant: 'acme', subject: 'bob' }),
      contextFor({ tenant: 'acme', subject: 'alice', clientId: 'another-agent' }),
    ])
      expect(() => sessions.find('s', other)).toThrow(unknown);
    expect(() => sessions.find('t', acme)).toThrow(unknown);
    // Whoever comes by another grant than the one that opened it is another caller.
    const acting = {
      ...acme,
      impersonation: { grant: 'g', kind: 'support' as const, operator: 'o', reason: 'r', expiresAt: 1 },
    };
    expect(() => sessions.find('s', acting)).toThrow(unknown);
  });

  it('are no more than there may be, and idle ones make room', async () => {
    let now = 0;
    const closed: string[] = [];
    const sessions = new Sessions({ maxSessions: 2, idleMs: 100 }, () => now);
    await sessions.open(session('a', closed), acme);
    await sessions.open(session('b', closed), acme);
    await expect(sessions.open(session('c', closed), acme)).rejects.toMatchObject({ code: 'limit_exceeded' });
    now = 60;
    sessions.find('b', acme);
    now = 101;
    await sessions.open(session('c', closed), acme);
    expect(closed).toEqual(['a']);
    expect(() => sessions.find('a', acme)).toThrow(unknown);
    now = 161;
    expect(() => sessions.find('b', acme)).toThrow(unknown);
  });

  it('end, one or all', async () => {
    const closed: string[] = [];
    const sessions = new Sessions({}, () => 0);
    await sessions.open(session('a', closed), acme);
    await sessions.open(session('b', closed), acme);
    await sessions.end('a');
    expect(() => sessions.find('a', acme)).toThrow(unknown);
    await sessions.close();
    expect(closed).toEqual(['a', 'b']);
    expect(new Set(Array.from({ length: 100 }, () => sessions.newId())).size).toBe(100);
  });
});
