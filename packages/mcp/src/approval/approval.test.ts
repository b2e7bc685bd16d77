import type { Decision } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { describe, expect, it } from 'vitest';
import type { RpcRequest } from '../message.js';
import { approvals } from './approval.js';
import { memoryApprovalStore } from './store.js';

const context = contextFor({ tenant: 'acme' });
const channel = { era: 'modern', canElicit: true } as const;
const clock = (): number => Date.now();
const asks = (message: string): readonly Decision[] => [
  {
    effect: 'allow',
    action: 'refund',
    resource: { kind: 'invoice', id: 'i' },
    policy: 'p',
    policyVersion: 'default',
    scope: '',
    outputs: [],
    obligations: [{ id: 'o', type: 'human_approval', properties: { message } }],
    callId: '',
    durationMs: 0,
    engine: 'test',
  },
];
const call = (more: Readonly<Record<string, unknown>> = {}): RpcRequest => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'refund', arguments: { id: 'i' }, ...more },
});

async function stateOf(approver: ReturnType<typeof approvals>, message: string): Promise<string> {
  const outcome = await approver.require(asks(message), call(), context, channel);
  if (outcome.kind !== 'answer') throw new Error('it did not ask');
  return String(outcome.result['requestState']);
}
const yes = { inputResponses: { portcullis_approval: { action: 'accept', content: { approve: true } } } };

describe('an approval', () => {
  it('is for what the person read: if the record changed since, the question is another', async () => {
    const approver = approvals({ store: memoryApprovalStore(clock), clock });
    const requestState = await stateOf(approver, 'Refund 5?');
    await expect(
      approver.require(asks('Refund 5000?'), call({ ...yes, requestState }), context, channel),
    ).rejects.toMatchObject({ code: 'approval_required' });
    const again = await stateOf(approver, 'Refund 5?');
    expect(
      (await approver.require(asks('Refund 5?'), call({ ...yes, requestState: again }), context, channel)).kind,
    ).toBe('approved');
  });

  it('is not one that another key signed', async () => {
    const [one, other] = [1, 2].map((fill) =>
      approvals({ key: new Uint8Array(32).fill(fill), store: memoryApprovalStore(clock), clock }),
    ) as [ReturnType<typeof approvals>, ReturnType<typeof approvals>];
    const requestState = await stateOf(one, 'Refund?');
    await expect(
      other.require(asks('Refund?'), call({ ...yes, requestState }), context, channel),
    ).rejects.toMatchObject({ code: 'approval_required' });
  });

  it('needs a key that cannot be guessed', () => {
    expect(() => approvals({ key: new Uint8Array(31), store: memoryApprovalStore(clock), clock })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });
});
