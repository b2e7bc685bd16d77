import { expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { operatorFor } from '@portcullis/testing/contexts';
import { tenantOfOperator } from './access.js';

it('takes an operator context for what it was decided for, and for nothing else', async () => {
  const acme = tenantId('acme');
  const open = (action: string | undefined, storage: string): Promise<string> =>
    tenantOfOperator(operatorFor(action === undefined ? {} : { action }), acme, storage, {
      operatorAccess: () => Promise.resolve(),
    }).then(
      () => 'open',
      () => 'refused',
    );
  expect(
    await Promise.all([undefined, 'storage:open', 'provision', 'deprovision'].map((a) => open(a, 'keyv'))),
  ).toEqual(Array(4).fill('open'));
  expect(await open('members:write', 'keyv')).toBe('refused');
  // What was decided for looking at data does not remove the tenant.
  expect(await open('storage:open', 'lifecycle')).toBe('refused');
  expect(await open('deprovision', 'lifecycle')).toBe('open');
});
