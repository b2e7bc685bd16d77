import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';

/** A signing key, and what is published of it. */
export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK & Readonly<Record<string, unknown>>;
}

/** Makes a signing key. */
export async function signingKey(
  kid: string,
  algorithm = 'RS256',
  published: Readonly<Record<string, unknown>> = {},
): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    kid,
    algorithm,
    privateKey,
    publicJwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: algorithm, ...published },
  };
}
