import { refused } from '../access.js';
import { boundedCall, type CallBounds } from './bounded-call.js';

/**
 * A stream of bytes in parts of exactly `partSizeBytes`, and the rest. The source has `timeoutMs` for each chunk; it
 * is cancelled when the parts are not read to their end.
 *
 * @throws PortcullisError `storage_unavailable` when the source fails or is too slow
 */
export async function* partsOf(
  source: ReadableStream<Uint8Array>,
  { partSizeBytes, ...bounds }: CallBounds & { readonly partSizeBytes: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = source.getReader();
  let part = new Uint8Array(partSizeBytes);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await boundedCall(bounds, () => reader.read());
      if (done) break;
      if (!(value instanceof Uint8Array)) throw refused('the content must be a stream of bytes');
      for (let at = 0; at < value.byteLength;) {
        const taken = value.subarray(at, at + partSizeBytes - filled);
        part.set(taken, filled);
        filled += taken.byteLength;
        at += taken.byteLength;
        if (filled === partSizeBytes) {
          yield part;
          part = new Uint8Array(partSizeBytes);
          filled = 0;
        }
      }
    }
    if (filled > 0) yield part.subarray(0, filled);
  } finally {
    // Nobody waits for a source that does not even end when it is told to.
    reader.cancel().catch(() => undefined);
  }
}
