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
  message: Pick<Request, 'headers' | 'body' | 'text'>,
  maxBytes: number,
): Promise<string> {
  const declared = message.headers.get('content-length');
  if (Number(declared ?? 0) > maxBytes) throw new TooLargeError('the body is too large');
  // Where a length is declared, HTTP ends the body there; to open a stream for it would be the dearest part of all.
  // Not so where it is compressed: then the length says nothing of the text.
  const isPlain = !message.headers.has('transfer-encoding') && !message.headers.has('content-encoding');
  if (declared !== null && /^\d+$/.test(declared) && isPlain) {
    const text = await message.text();
    if (text.length > maxBytes) throw new TooLargeError('the body is too large');
    return text;
  }
  if (message.body === null) return '';
  const reader: ReadableStreamDefaultReader<Uint8Array> = message.body.getReader();
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
