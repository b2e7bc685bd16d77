import type { FileHandle } from 'node:fs/promises';

/** The whole lines among the first `end` bytes of a file, without their line feeds. */
export async function* readLines(file: FileHandle, end: number): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  for (let at = 0; at < end;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(1 << 20, end - at)), 0, undefined, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    let from = 0;
    for (;;) {
      const feed = buffer.indexOf(lineFeed, from);
      if (feed === -1 || feed >= bytesRead) break;
      const last = buffer.subarray(from, feed);
      yield (pieces.length === 0 ? last : Buffer.concat([...pieces, last])).toString();
      pieces = [];
      from = feed + 1;
    }
    if (from < bytesRead) pieces.push(buffer.subarray(from, bytesRead));
  }
}

const lineFeed = 0x0a;

/** Where the last whole line of a file ends, in bytes. */
export async function endOfLastLine(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - (1 << 16));
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(end - start), 0, end - start, start);
    const feed = buffer.subarray(0, bytesRead).lastIndexOf(lineFeed);
    if (feed !== -1) return start + feed + 1;
    end = start;
  }
  return 0;
}
