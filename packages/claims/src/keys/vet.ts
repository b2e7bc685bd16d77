import type { JWK } from 'jose';

/** Signature algorithms that a public key can verify. Nothing symmetric, and never `none`. */
export const asymmetricAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** An allowed signature algorithm. */
export type Algorithm = (typeof asymmetricAlgorithms)[number];

const curveOf: Readonly<Record<string, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
  Ed25519: 'Ed25519',
};

/**
 * Whether a published key may verify signatures at all.
 *
 * RSA keys have at least 2048 bits, an odd exponent of 3 or more that is sane in size, and a modulus without the ROCA
 * fingerprint; curves are on a list; `use` and `key_ops`, where given, say signatures; and a key that publishes its
 * private part is nobody's to trust.
 *
 * @returns why it may not, or `undefined`
 * @see RFC 7517, sections 4.2 and 4.3; RFC 8725, section 3.5; CVE-2017-15361
 */
export function keyFault(key: JWK): string | undefined {
  if (key.d !== undefined || key.p !== undefined || key.k !== undefined)
    return 'a private or symmetric key is published';
  if (key.use !== undefined && key.use !== 'sig') return 'the key is not for signatures';
  if (key.key_ops !== undefined && !(Array.isArray(key.key_ops) && key.key_ops.includes('verify')))
    return 'the key is not for verifying';
  switch (key.kty) {
    case 'RSA':
      return rsaFault(key);
    case 'EC':
      return ['P-256', 'P-384', 'P-521'].includes(key.crv ?? '') ? undefined : 'the curve is not on the list';
    case 'OKP':
      return key.crv === 'Ed25519' ? undefined : 'the curve is not on the list';
    default:
      return 'the key type is not on the list';
  }
}

function rsaFault({ n, e }: JWK): string | undefined {
  const modulus = integerOf(n);
  const exponent = integerOf(e);
  if (modulus === undefined || exponent === undefined) return 'the modulus or the exponent is malformed';
  if (modulus >> 2047n === 0n) return 'the modulus has fewer than 2048 bits';
  if (modulus >> 8192n !== 0n) return 'the modulus has more than 8192 bits';
  if ((modulus & 1n) === 0n) return 'the modulus is even';
  if (exponent < 3n || exponent >> 64n !== 0n || (exponent & 1n) === 0n) return 'the exponent is not sane';
  return hasRocaFingerprint(modulus) ? 'the modulus has the ROCA fingerprint' : undefined;
}

function integerOf(text: unknown): bigint | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  return BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`);
}

/** The primes of the ROCA test: a weak modulus is a power of 65537 modulo each of them. */
const rocaPrimes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

const rocaResidues: readonly (readonly [bigint, ReadonlySet<bigint>])[] = rocaPrimes.map((prime) => {
  const modulus = BigInt(prime);
  const residues = new Set<bigint>();
  for (let power = 1n; !residues.has(power); power = (power * 65537n) % modulus) residues.add(power);
  return [modulus, residues];
});

function hasRocaFingerprint(modulus: bigint): boolean {
  return rocaResidues.every(([prime, residues]) => residues.has(modulus % prime));
}

/**
 * Whether a key may verify a signature of this algorithm: its own `alg`, where it has one, and its type.
 *
 * @see RFC 8725, section 3.1: the algorithm is the key's, never the header's alone
 */
export function fitsAlgorithm(key: JWK, algorithm: string): boolean {
  if (key.alg !== undefined && key.alg !== algorithm && !(isEd25519(key.alg) && isEd25519(algorithm))) return false;
  if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) return key.kty === 'RSA';
  return Object.hasOwn(curveOf, algorithm) && curveOf[algorithm] === key.crv;
}

function isEd25519(algorithm: string): boolean {
  return algorithm === 'EdDSA' || algorithm === 'Ed25519';
}
