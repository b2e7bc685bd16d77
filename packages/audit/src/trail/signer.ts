import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { PortcullisError } from '@portcullis/core';

/** A public key that checkpoints are verified with: a JSON Web Key of RFC 8037, with its id. */
export interface CheckpointKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  /** The thumbprint of RFC 7638, unless it was given another name. */
  readonly kid: string;
}

/** The private key, as `generateCheckpointKey` makes it. */
export interface CheckpointPrivateKey extends CheckpointKey {
  readonly d: string;
}

/** Signs checkpoints. One of your own may ask a key service. */
export interface CheckpointSigner {
  /** What an auditor verifies with. */
  readonly publicKey: CheckpointKey;
  /**
   * @param payload - canonical JSON
   * @returns a compact JWS with the protected header `{ alg: 'EdDSA', kid, typ: 'portcullis-checkpoint' }`
   * @see RFC 7515, RFC 8037
   */
  sign(payload: string): Promise<string>;
}

/** The `typ` of a checkpoint, so that no other signed thing can be taken for one. */
export const checkpointType = 'portcullis-checkpoint';

const privateKey = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().length(43),
  d: z.string().length(43),
  kid: z.string().min(1).max(200).optional(),
});

/**
 * Makes a signer of an Ed25519 private key in this process.
 *
 * Keep the key where whoever can write to the trail cannot read it: with it, a trail can be written anew.
 *
 * @param key - a private JSON Web Key
 * @throws PortcullisError `config_invalid` when it is not one
 * @example
 * ```ts
 * import { checkpointSigner, generateCheckpointKey } from '@portcullis/audit';
 *
 * const signer = await checkpointSigner(await generateCheckpointKey());
 * console.log(signer.publicKey.crv); // prints: Ed25519
 * ```
 */
export async function checkpointSigner(key: unknown): Promise<CheckpointSigner> {
  const parsed = privateKey.safeParse(key);
  if (!parsed.success) throw invalid('the checkpoint key is not a private Ed25519 JSON Web Key');
  const { x, d } = parsed.data;
  const publicPart = { kty: 'OKP', crv: 'Ed25519', x } as const;
  try {
    const kid = parsed.data.kid ?? (await calculateJwkThumbprint(publicPart));
    const imported = await importJWK({ ...publicPart, d }, 'EdDSA');
    const signer: CheckpointSigner = {
      publicKey: { ...publicPart, kid },
      sign: (payload) =>
        new CompactSign(new TextEncoder().encode(payload))
          .setProtectedHeader({ alg: 'EdDSA', kid, typ: checkpointType })
          .sign(imported),
    };
    await signer.sign('{}');
    return signer;
  } catch (cause) {
    throw invalid('the checkpoint key cannot sign', cause);
  }
}

/** Makes a key for checkpoints. It is a secret: keep it apart from the trail. */
export async function generateCheckpointKey(): Promise<CheckpointPrivateKey> {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  const { x = '', d = '' }: JWK = await exportJWK(pair.privateKey);
  const publicPart = { kty: 'OKP', crv: 'Ed25519', x } as const;
  return { ...publicPart, d, kid: await calculateJwkThumbprint(publicPart) };
}

function invalid(message: string, cause?: unknown): PortcullisError {
  return new PortcullisError('config_invalid', message, { cause });
}
