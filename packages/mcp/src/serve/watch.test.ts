import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PortcullisError, type TenantContext, type TenantResolver } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { watchStream } from './watch.js';

const start = 1_000_000;
let now: number;
let closed: boolean;
const later = async (ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 1000) {
    now += 1000;
    await vi.advanceTimersByTimeAsync(1000);
  }
};
beforeEach(() => {
  vi.useFakeTimers();
  now = start;
  closed = false;
});
afterEach(() => vi.useRealTimers());

const expired = new PortcullisError('token_invalid', undefined, { data: { rule: 'expired' } });
function watched(expiresAt: number, recheck: () => Promise<TenantContext>): void {
  const made = contextFor({ tenant: 'acme' });
  const context = { ...made, identity: { ...made.identity, expiresAt } };
  const response = new Response(new ReadableStream(), { headers: { 'content-type': 'text/event-stream' } });
  const tenants: TenantResolver = { resolve: () => Promise.reject(expired), recheck };
  const stream = watchStream(response, context, { tenants, recheckMs: 5000, clock: () => now }, () => undefined).body!;
  void stream
    .getReader()
    .read()
    .then(({ done }) => (closed = done));
}
const whileValid = (expiresAt: number) => () =>
  now < expiresAt ? Promise.resolve(contextFor({ tenant: 'acme' })) : Promise.reject(expired);

it('ends a stream with the token that opened it', async () => {
  watched(start + 100_000, whileValid(start + 100_000));
  await later(99_000);
  expect(closed).toBe(false);
  await later(1000);
  expect(closed).toBe(true);
});

it('leaves an answer its time when the token ends, and no longer', async () => {
  watched(start - 1000, whileValid(start - 1000));
  await later(29_000);
  expect(closed).toBe(false);
  await later(2000);
  expect(closed).toBe(true);
});

it('ends a stream at the next look when the tenant is suspended, also in that time', async () => {
  watched(start - 1000, () => Promise.reject(new PortcullisError('tenant_suspended')));
  await later(4000);
  expect(closed).toBe(false);
  await later(1000);
  expect(closed).toBe(true);
});
