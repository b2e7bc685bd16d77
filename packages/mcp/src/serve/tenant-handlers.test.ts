import { expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { TenantHandlers } from './tenant-handlers.js';

it('closes the handlers of tenants that were not used for longest, and none that is in use', async () => {
  const closed: number[] = [];
  let made = 0;
  const handlers = new TenantHandlers(() => {
    const number = made++;
    return {
      close: () => {
        closed.push(number);
        return Promise.resolve();
      },
    } as never;
  }, 2);
  const busy = handlers.use(tenantId('busy'));
  for (const id of ['a', 'b', 'c']) handlers.use(tenantId(id)).done();
  expect(closed).toEqual([1, 2]);
  expect(handlers.size).toBe(2);
  expect(handlers.use(tenantId('busy')).handler).toBe(busy.handler);
  busy.done();
  await handlers.close();
  expect(closed).toEqual([1, 2, 3, 0]);
});
