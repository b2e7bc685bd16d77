import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { z } from '@hono/zod-openapi';
import { PortcullisError } from '@portcullis/core';
import type { Answer } from '../answer.js';

const answerSchema: z.ZodType<Answer> = z.strictObject({
  status: z.int(),
  body: z.record(z.string(), z.unknown()).optional(),
  text: z.strictObject({ type: z.string(), content: z.string() }).optional(),
  etag: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
});

/**
 * Encrypts an answer that is kept for retries, under a key that only whoever knows the idempotency key can make. An
 * answer may hold what is shown once and kept nowhere, as the secret of an invitation; a copy of the store shows it to
 * nobody.
 */
export function sealAnswer(answer: Answer, idempotencyKey: string, caller: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(idempotencyKey, caller), iv);
  const sealed = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** Decrypts it. @throws PortcullisError `store_unavailable` for one that is not as it was written */
export function openAnswer(sealed: string, idempotencyKey: string, caller: string): Answer {
  try {
    const bytes = Buffer.from(sealed, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', keyOf(idempotencyKey, caller), bytes.subarray(0, 12), {
      authTagLength: 16,
    });
    decipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
    return answerSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new PortcullisError('store_unavailable', undefined, {
      detail: 'a kept answer is not as it was written',
      cause,
    });
  }
}

function keyOf(idempotencyKey: string, caller: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', idempotencyKey, caller, 'portcullis admin answer', 32));
}
