import type { PolicyDecisionPoint } from '@portcullis/core';

/** Closes every engine, also when one of them fails; then fails with the first failure. */
export async function closeAll(engines: readonly PolicyDecisionPoint[]): Promise<void> {
  const closed = await Promise.allSettled(engines.map(async (engine) => engine.close()));
  const failure = closed.find((one) => one.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}
