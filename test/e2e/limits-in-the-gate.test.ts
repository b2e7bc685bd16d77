import { McpServer } from '@modelcontextprotocol/server';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { PortcullisError, type CallPlace, type Limiter, type UsageEvent } from '@portcullis/core';
import type { Gate, HttpOptions, McpEndpoint } from '@portcullis/mcp';
import { callText, connect, post, startHarness, type Harness } from './harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.close());
afterEach(() => vi.useRealTimers());

/** A limiter that counts what it is asked, and refuses what it is told to. */
class WatchedLimiter implements Limiter {
  requests = 0;
  /** Places that are held now. */
  held = 0;
  calls = 0;
  refuse: { request?: Error; call?: Error; session?: Error } = {};

  request(): Promise<void> {
    this.requests++;
    return this.refuse.request === undefined ? Promise.resolve() : Promise.reject(this.refuse.request);
  }
  call(): Promise<CallPlace> {
    if (this.refuse.call !== undefined) return Promise.reject(this.refuse.call);
    this.calls++;
    return Promise.resolve(this.#place());
  }
  session(): Promise<CallPlace> {
    return this.refuse.session === undefined ? Promise.resolve(this.#place()) : Promise.reject(this.refuse.session);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  #place(): CallPlace {
    let given = false;
    this.held++;
    return {
      release: () => {
        if (!given) this.held--;
        given = true;
        return Promise.resolve();
      },
    };
  }
}

interface World {
  readonly endpoint: McpEndpoint;
  readonly limiter: WatchedLimiter;
  readonly usage: UsageEvent[];
  readonly ran: string[];
  /** Ends the call of the tool `slow` that runs. */
  finish(): void;
}

function world(options: HttpOptions = {}, audit?: object): World {
  const limiter = new WatchedLimiter();
  const usage: UsageEvent[] = [];
  const ran: string[] = [];
  let finish = (): void => undefined;
  const gate: Gate<Map<string, string>> = harness.gateWith({
    limiter,
    usage: { record: (event) => usage.push(event) },
    onError: () => undefined,
    ...audit,
  });
  const endpoint = gate.serve(() => {
    const server = new McpServer({ name: 's', version: '1' });
    gate.tool(server, 'open', { authorize: 'default' }, () => {
      ran.push('open');
      return 'open ran';
    });
    gate.tool(server, 'plain', { authorize: 'default' }, () => {
      throw new Error('out of order');
    });
    gate.tool(server, 'restricted', { authorize: 'default' }, () => 'restricted ran');
    gate.tool(server, 'slow', { authorize: 'default' }, async () => {
      ran.push('slow');
      await new Promise<void>((resolve) => (finish = resolve));
      ran.push('slow ended');
      return 'slow ran';
    });
    return server;
  }, options);
  return {
    endpoint,
    limiter,
    usage,
    ran,
    finish: () => {
      finish();
    },
  };
}

const limited = (code: 'rate_limited' | 'quota_exceeded' | 'concurrency_exceeded'): PortcullisError =>
  new PortcullisError(code, undefined, { data: { limit: 'x', scope: 'tenant', retryAfterMs: 1500 } });
const call = (name: string, id = 1) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } });
/** The machine's own, where the tests set the clock. */
const { setTimeout: later } = globalThis;
const until = async (holds: () => boolean): Promise<void> => {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 1000) throw new Error('it did not come about');
    await new Promise((resolve) => later(resolve, 5));
  }
};

describe('limits in the gate', () => {
  it('counts each message once, and each permitted call once, in either era', async () => {
    for (const mode of ['auto', 'legacy'] as const) {
      const { endpoint, limiter, usage } = world();
      const client = await connect(endpoint, await harness.token('alice'), { mode });
      // The client may still be opening its stream.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const [requests, events] = [limiter.requests, usage.length];
      expect(await callText(client, 'open')).toBe('open ran');
      expect(limiter.requests - requests).toBe(1);
      expect(limiter.calls).toBe(1);
      expect(limiter.held).toBe(0);
      expect(usage.slice(events)).toMatchObject([
        { tenant: 'acme', user: 'oidc#alice', tool: 'open', outcome: 'allowed' },
      ]);
      await client.close();
      await endpoint.close();
    }
  });

  it('refuses what is over the rate before anything is decided, with 429 and Retry-After', async () => {
    const { endpoint, limiter, usage, ran } = world();
    limiter.refuse.request = limited('rate_limited');
    const seen = harness.audit.entries.length;
    const response = await post(endpoint, await harness.token('alice'), call('open'));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toMatchObject({
      id: 1,
      error: { code: -32029, data: { code: 'rate_limited', limit: 'x', retryAfterMs: expect.any(Number) as number } },
    });
    expect(ran).toEqual([]);
    expect(harness.audit.entries.slice(seen)).toMatchObject([
      { type: 'refusal', code: 'rate_limited', tenant: 'acme' },
    ]);
    expect(usage).toMatchObject([{ tenant: 'acme', outcome: 'limited' }]);
  });

  it('lets who sends on wait a moment, tells what is then left, and records it as one', async () => {
    const { endpoint, limiter, usage } = world();
    limiter.refuse.request = limited('rate_limited');
    const seen = harness.audit.entries.length;
    const token = await harness.token('alice');
    const left: number[] = [];
    const send = async (id: number): Promise<void> => {
      const response = await post(endpoint, token, call('open', id));
      const { error } = (await response.json()) as { error: { data: { retryAfterMs: number } } };
      left.push(error.data.retryAfterMs);
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    await send(1);
    for (const id of [2, 3]) {
      const timers = vi.getTimerCount();
      const sent = send(id);
      await until(() => vi.getTimerCount() > timers);
      await vi.advanceTimersByTimeAsync(199);
      expect(left).toHaveLength(id - 1);
      await vi.advanceTimersByTimeAsync(1);
      await sent;
    }
    expect(left).toEqual([1500, 1300, 1300]);
    await endpoint.close();
    expect(harness.audit.entries.slice(seen).map((entry) => ('times' in entry ? entry.times : 1))).toEqual([1, 2]);
    expect(usage).toHaveLength(3);
  });

  it('counts malformed bodies and notifications as well: neither is a way round', async () => {
    const { endpoint, limiter } = world();
    const token = await harness.token('alice');
    await post(endpoint, token, { nonsense: true });
    await post(endpoint, token, { jsonrpc: '2.0', method: 'notifications/initialized' });
    await post(endpoint, token, [call('open', 1), call('open', 2), call('open', 3)]);
    expect(limiter.requests).toBe(5);
    await until(() => limiter.held === 0);
  });

  it.each(['quota_exceeded', 'concurrency_exceeded'] as const)(
    'refuses a permitted call with %s, and records that it did not run',
    async (code) => {
      const { endpoint, limiter, usage, ran } = world();
      limiter.refuse.call = limited(code);
      const seen = harness.audit.entries.length;
      const response = await post(endpoint, await harness.token('alice'), call('open'));
      expect(response.status).toBe(429);
      expect(response.headers.get('retry-after')).toBe('2');
      expect(await response.json()).toMatchObject({ error: { data: { code } } });
      expect(ran).toEqual([]);
      expect(harness.audit.entries.slice(seen)).toMatchObject([{ type: 'decision', effect: 'deny', code }]);
      expect(usage).toMatchObject([{ tool: 'open', outcome: 'limited' }]);
    },
  );

  it('lets nothing through when the limiter fails in a way of its own', async () => {
    const { endpoint, limiter, ran } = world();
    limiter.refuse.request = new Error('connection reset');
    const response = await post(endpoint, await harness.token('alice'), call('open'));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { data: { code: 'limits_unavailable' } } });
    expect(ran).toEqual([]);
    limiter.refuse = { call: new Error('connection reset') };
    expect((await post(endpoint, await harness.token('alice'), call('open'))).status).toBe(503);
    expect(ran).toEqual([]);
  });

  it('takes no place for a denied call, and gives the place of a failing one back', async () => {
    const { endpoint, limiter, usage } = world();
    const token = await harness.token('alice');
    await post(endpoint, token, call('restricted'));
    expect(limiter.calls).toBe(0);
    await (await post(endpoint, token, call('plain'))).text();
    await until(() => limiter.held === 0);
    expect(limiter.calls).toBe(1);
    expect(usage.map(({ tool, outcome }) => [tool, outcome])).toEqual([
      ['restricted', 'denied'],
      ['plain', 'error'],
    ]);
  });

  it('gives the place back when the decision cannot be recorded', async () => {
    const audit = {
      record: () => Promise.reject(new PortcullisError('audit_unavailable')),
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const { endpoint, limiter, ran, usage } = world({}, { audit });
    await (await post(endpoint, await harness.token('alice'), call('open'))).text();
    expect(ran).toEqual([]);
    expect(limiter.calls).toBe(1);
    expect(limiter.held).toBe(0);
    expect(usage).toMatchObject([{ outcome: 'error' }]);
  });

  it('holds the place of a call that goes on after its caller has left', async () => {
    const { endpoint, limiter, ran, ...slow } = world();
    const token = await harness.token('adam');
    const leaving = new AbortController();
    const response = post(endpoint, token, call('slow'), {}, leaving.signal).catch(() => undefined);
    await until(() => ran.includes('slow'));
    expect(limiter.held).toBe(1);
    leaving.abort();
    await (await response)?.body?.cancel().catch(() => undefined);
    await endpoint.close();
    expect(ran).toEqual(['slow']);
    expect(limiter.held).toBe(1);
    slow.finish();
    await until(() => limiter.held === 0);
  });

  it('gives the place back of a call that the transport then refuses', async () => {
    const { endpoint, limiter, ran } = world({ legacy: 'sessions' });
    const token = await harness.token('alice');
    const opened = await post(endpoint, token, {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    });
    const session = opened.headers.get('mcp-session-id') ?? '';
    await opened.text();
    const response = await post(endpoint, token, call('open'), { 'mcp-session-id': session, accept: 'text/plain' });
    expect(response.status).toBe(406);
    expect(ran).toEqual([]);
    expect(limiter.calls).toBe(1);
    // What is left is the session's own.
    expect(limiter.held).toBe(1);
    await endpoint.close();
  });

  it('counts a name that the caller made up under no name of its own', async () => {
    const { endpoint, usage } = world();
    const token = await harness.token('alice');
    await post(endpoint, token, call('made-up-1'));
    await post(endpoint, token, { jsonrpc: '2.0', id: 1, method: 'made/up', params: {} });
    expect(usage.map(({ tool }) => tool)).toEqual(['(unknown)', '(unknown)']);
  });

  it('holds a place for each open session, and refuses one too many', async () => {
    const { endpoint, limiter } = world({ legacy: 'sessions' });
    const client = await connect(endpoint, await harness.token('alice'), { mode: 'legacy' });
    expect(limiter.held).toBe(1);
    limiter.refuse.session = limited('quota_exceeded');
    await expect(connect(endpoint, await harness.token('alice'), { mode: 'legacy' })).rejects.toThrow();
    limiter.refuse = {};
    expect(await callText(client, 'open')).toBe('open ran');
    expect(limiter.held).toBe(1);
    await endpoint.close();
    expect(limiter.held).toBe(0);
  });
});
