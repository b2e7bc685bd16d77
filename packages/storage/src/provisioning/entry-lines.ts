const chunkBytes = 65_536;

/** Text lines as bytes, in chunks that are worth a write. */
export async function* bytesOfLines(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Uint8Array> {
  let held = '';
  for await (const line of lines) {
    held += `${line}\n`;
    if (held.length >= chunkBytes) {
      yield Buffer.from(held);
      held = '';
    }
  }
  if (held !== '') yield Buffer.from(held);
}

/** The lines of UTF-8 bytes. A last line without its end is a line too. @throws TypeError for what is no UTF-8 */
export async function* linesOfBytes(content: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let held: string[] = [];
  for await (const chunk of content) {
    const [first = '', ...rest] = decoder.decode(chunk, { stream: true }).split('\n');
    held.push(first);
    for (const next of rest) {
      yield held.join('');
      held = [next];
    }
  }
  held.push(decoder.decode());
  const last = held.join('');
  if (last !== '') yield last;
}
