import ipaddr from 'ipaddr.js';
import { method, type Overload } from '../overload.js';
import { failed } from '../cel-value.js';

/** What it takes to read an address and a range, in steps. */
const readingSteps = 50;

/** `inIPAddrRange`: whether an address is within a range. */
export const addressFunctions: readonly Overload[] = [
  method('inIPAddrRange', ['string', 'string'], 'bool', (text, rangeText, work) => {
    work.spend(readingSteps);
    work.spendText(text.length + rangeText.length);
    const address = parseAddress(text);
    const range = parseRange(rangeText);
    if (address === undefined || range === undefined) return failed;
    return isWithin(address, range);
  }),
];

/** Sixteen bytes for IPv6, four for IPv4. An IPv4 address that is mapped into IPv6 is the IPv4 address, as in Go. */
type Address = readonly number[];

interface Range {
  readonly network: Address;
  readonly bits: number;
}

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const strictV4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
const strictV6 = new RegExp(`^[\\da-f:]{2,39}$|^[\\da-f:]{1,31}:${octet}(?:\\.${octet}){3}$`, 'i');

/** No octal digits, no missing parts, no zones, which the library alone would take. */
function parseBytes(text: string): Address | undefined {
  if (strictV4.test(text)) return text.split('.').map(Number);
  if (!strictV6.test(text)) return undefined;
  // The library takes a part in decimal digits where it is mapped alone.
  const hexadecimal = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_whole, ...octets: readonly string[]) =>
    [octets.slice(0, 2), octets.slice(2, 4)].map(groupOf).join(':'),
  );
  const isStrict = hexadecimal.split(':').every((group) => group.length <= 4);
  return isStrict && ipaddr.IPv6.isValid(hexadecimal) ? ipaddr.IPv6.parse(hexadecimal).toByteArray() : undefined;
}

/** Two octets as a group of an IPv6 address. */
function groupOf([high, low]: readonly string[]): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}

function parseAddress(text: string): Address | undefined {
  const bytes = parseBytes(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(12) : bytes;
}

function isMapped(bytes: Address): boolean {
  return (
    bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  );
}

/**
 * A range as `10.0.0.0/8`.
 *
 * @see https://pkg.go.dev/net#ParseCIDR
 */
function parseRange(text: string): Range | undefined {
  const [, addressText = '', bitsText = ''] = /^([^/]*)\/(\d+)$/.exec(text) ?? [];
  const network = parseBytes(addressText);
  const bits = Number(bitsText);
  if (network === undefined || bits > network.length * 8) return undefined;
  const masked = network.map((byte, index) => byte & maskAt(index, bits));
  // A network that is mapped as a whole is one of IPv4.
  return isMapped(masked) ? { network: masked.slice(12), bits: Math.max(bits - 96, 0) } : { network: masked, bits };
}

function maskAt(index: number, bits: number): number {
  const kept = Math.min(Math.max(bits - index * 8, 0), 8);
  return (0xff << (8 - kept)) & 0xff;
}

function isWithin(address: Address, { network, bits }: Range): boolean {
  if (address.length !== network.length) return false;
  return address.every((byte, index) => (byte & maskAt(index, bits)) === network[index]);
}
