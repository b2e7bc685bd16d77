import { assertIsolated, IsolationError, type IsolationOptions } from '@portcullis/testing/isolation';
import type { Fixture } from './broken/postgres.js';

/** The same inputs every time. */
export const seed = 20_240_601;

/** What the kit finds in a fixture, which it has to. */
export async function finding(
  making: Fixture | Promise<Fixture>,
  options: IsolationOptions = {},
): Promise<IsolationError> {
  const { subject, close } = await making;
  try {
    await assertIsolated(subject, { seed, operations: 1500, stallMs: 3000, ...options });
  } catch (error) {
    if (error instanceof IsolationError) {
      if (process.env['SHOW']) console.log(error.message);
      return error;
    }
    throw error;
  } finally {
    await close();
  }
  throw new Error('nothing was found');
}
