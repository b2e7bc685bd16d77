import { CelObject, failed, type CelResult, type CelValue } from './cel-value.js';
import type { Work } from './work.js';

/** CEL's `bytes`. */
export class Bytes extends CelObject {
  readonly type = 'bytes';
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }

  override equals(other: CelValue, work?: Work): boolean {
    if (!(other instanceof Bytes) || other.bytes.length !== this.bytes.length) return false;
    work?.spendText(this.bytes.length);
    return this.bytes.every((byte, index) => byte === other.bytes[index]);
  }

  override compare(other: CelValue): number | typeof failed {
    if (!(other instanceof Bytes)) return failed;
    const length = Math.min(this.bytes.length, other.bytes.length);
    for (let index = 0; index < length; index++) {
      const difference = (this.bytes[index] ?? 0) - (other.bytes[index] ?? 0);
      if (difference !== 0) return difference;
    }
    return this.bytes.length - other.bytes.length;
  }

  plus(other: Bytes): Bytes {
    const sum = new Uint8Array(this.bytes.length + other.bytes.length);
    sum.set(this.bytes);
    sum.set(other.bytes, this.bytes.length);
    return new Bytes(sum);
  }

  /** As base64. */
  override toJson(): string {
    return base64Of(this.bytes);
  }

  /** As text, if it is UTF-8. */
  toText(): CelResult {
    try {
      return decoder.decode(this.bytes);
    } catch {
      return failed;
    }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export function bytesOf(text: string): Bytes {
  return new Bytes(encoder.encode(text));
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/**
 * Reads base64 with or without its padding, and over line breaks, as Cerbos does. The bits that are left over in the last
 * character do not matter.
 */
export function bytesOfBase64(text: string): CelResult {
  const joined = text.replace(/[\r\n]/g, '');
  const [, digits, padding] = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(joined) ?? [];
  if (digits === undefined || padding === undefined || digits.length % 4 === 1) return failed;
  if (padding !== '' && (digits.length + padding.length) % 4 !== 0) return failed;
  const binary = atob(digits);
  return new Bytes(Uint8Array.from(binary, (character) => character.charCodeAt(0)));
}
