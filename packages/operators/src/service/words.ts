import { PortcullisError } from '@portcullis/core';

/** The longest reason, in characters. */
const maxReasonLength = 500;

/**
 * Reads an operator's reason: of some length, on one line, and nothing in it that a terminal or a log would act on.
 *
 * @throws PortcullisError `request_invalid`
 */
export function readReason(reason: unknown, minLength: number): string {
  const text = typeof reason === 'string' ? reason.trim() : '';
  if (text.length < minLength || text.length > maxReasonLength)
    throw new PortcullisError(
      'request_invalid',
      `reason: has to have ${String(minLength)} to ${String(maxReasonLength)} characters`,
      { data: { field: 'reason' } },
    );
  // Control and format characters, line and paragraph separators, lone surrogates.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(text))
    throw new PortcullisError('request_invalid', 'reason: has to be one line of plain text', {
      data: { field: 'reason' },
    });
  return text;
}

/**
 * Reads a length of time.
 *
 * @throws PortcullisError `request_invalid`
 */
export function readTtl(ttlMs: number, maxMs: number): number {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < 1 || ttlMs > maxMs)
    throw new PortcullisError('request_invalid', `ttlMs: has to be 1 to ${String(maxMs)} milliseconds`, {
      data: { field: 'ttlMs', max: maxMs },
    });
  return ttlMs;
}
