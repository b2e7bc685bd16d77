import { PortcullisError, type OperatorEvent } from '@portcullis/core';
import type { Parts } from './options.js';

/** What is known so far of something that is attempted. */
export type Attempt = Omit<OperatorEvent, 'effect' | 'code' | 'detail'>;

/** Says that it may happen. It does happen when this resolves, and not at all when it rejects. */
export type Allow = (more?: Partial<Attempt>) => Promise<void>;

/**
 * Runs something that an operator attempts, and records it: before it takes effect where `run` calls `allow`, and
 * with the reason where it throws. What was recorded as allowed and then failed is recorded as denied as well.
 *
 * @param run - learns more of the attempt by `about`, and has to call `allow` before it changes anything
 * @throws PortcullisError what `run` throws; `audit_unavailable` when what is allowed cannot be recorded
 */
export async function attempt<T>(
  { record, onError }: Pick<Parts, 'record' | 'onError'>,
  about: Attempt,
  run: (allow: Allow, learn: (more: Partial<Attempt>) => void) => Promise<T>,
): Promise<T> {
  let known = about;
  const learn = (more: Partial<Attempt>): void => {
    known = { ...known, ...more };
  };
  const allow: Allow = async (more = {}) => {
    learn(more);
    try {
      await record({ ...known, effect: 'allow' });
    } catch (cause) {
      throw cause instanceof PortcullisError && cause.code === 'audit_unavailable'
        ? cause
        : new PortcullisError('audit_unavailable', undefined, { cause });
    }
  };
  try {
    return await run(allow, learn);
  } catch (error) {
    if (error instanceof PortcullisError && error.code !== 'audit_unavailable') {
      const { code, detail, message } = error;
      await record({ ...known, effect: 'deny', code, detail: detail ?? message }).catch((failure: unknown) => {
        onError(failure instanceof Error ? failure : new Error('the recorder failed', { cause: failure }));
      });
    }
    throw error;
  }
}
