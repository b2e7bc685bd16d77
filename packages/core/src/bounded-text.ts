/** Thrown when a body is larger than it may be. */
export class TooLargeError extends RangeError {
  override readonly name = 'TooLargeError';
}

/**
 * Reads the body of a request or a response as text, and stops as soon as it is larger than it may be.
 *
 * @param maxBytes - the most that is read, in bytes
 * @throws TooLargeError
 */
export async function readBoundedText(
  message: { readonly headers: Headers; readonly body: ReadableStream<Uint8Array> | null },
  maxBytes: number,
): Promise<string> {
  if (Number(message.headers.get('content-length') ?? 0) > maxBytes) throw new TooLargeError('the body is too large');
  if (message.body === null) return '';
  const reader = message.body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return new TextDecoder().decode(Buffer.concat(chunks));
    size += value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      throw new TooLargeError('the body is too large');
    }
    chunks.push(value);
  }
}
