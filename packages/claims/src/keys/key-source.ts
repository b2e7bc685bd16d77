import { importJWK, type CryptoKey, type JWK } from 'jose';
import { z } from 'zod';
import { PortcullisError, type Clock } from '@portcullis/core';
import { fetchJson, type FetchOptions } from './fetch-json.js';
import { fitsAlgorithm, keyFault } from './vet.js';

/** A key that may verify a signature. */
interface VerificationKey {
  readonly key: CryptoKey | Uint8Array;
  /** The issuer that the key set ties the key to (Entra ID publishes one for each key). */
  readonly issuer: string | undefined;
}

/** Where an issuer's signing keys come from. */
export interface KeySource {
  /**
   * The key for a token's header; `undefined` when the issuer has none that fits.
   *
   * @throws PortcullisError `keys_unavailable`
   */
  find(kid: string | undefined, algorithm: string): Promise<VerificationKey | undefined>;
}

const jwks = z.object({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional(), issuer: z.string().optional() })).max(200),
});

type PublishedKey = JWK & { readonly issuer?: string | undefined };

/** The usable keys of a key set. Keys that are not fit are left out. @throws PortcullisError `keys_unavailable` */
function usableKeys(document: unknown): readonly PublishedKey[] {
  const parsed = jwks.safeParse(document);
  if (!parsed.success) throw new PortcullisError('keys_unavailable', undefined, { detail: 'the key set is malformed' });
  return (parsed.data.keys as PublishedKey[]).filter((key) => keyFault(key) === undefined);
}

/** Picks the one key for a header. A token that names no key may use one only where there is no choice. */
function pick(keys: readonly PublishedKey[], kid: string | undefined, algorithm: string): PublishedKey | undefined {
  const fitting = keys.filter((key) => (kid === undefined || key.kid === kid) && fitsAlgorithm(key, algorithm));
  return fitting.length === 1 ? fitting[0] : undefined;
}

const imported = new WeakMap<PublishedKey, Map<string, Promise<CryptoKey | Uint8Array>>>();

async function toVerificationKey(
  key: PublishedKey | undefined,
  algorithm: string,
): Promise<VerificationKey | undefined> {
  if (key === undefined) return undefined;
  const byAlgorithm = imported.get(key) ?? new Map<string, Promise<CryptoKey | Uint8Array>>();
  imported.set(key, byAlgorithm);
  const known = byAlgorithm.get(algorithm) ?? importJWK({ ...key, alg: algorithm }, algorithm);
  byAlgorithm.set(algorithm, known);
  return { key: await known, issuer: key.issuer };
}

/** Fixed keys: for tests, and for issuers that publish none. */
export function staticKeys(document: unknown): KeySource {
  const keys = usableKeys(document);
  return { find: (kid, algorithm) => toVerificationKey(pick(keys, kid, algorithm), algorithm) };
}

/** How a remote key set is kept. */
export interface RemoteKeysOptions extends FetchOptions {
  /** How old keys may be before they are fetched again, in milliseconds. */
  readonly maxAgeMs: number;
  /** How old keys may be that are still used when they cannot be fetched, in milliseconds. */
  readonly staleAgeMs: number;
  /** The least time between two fetches, in milliseconds: junk tokens cannot make us hammer the provider. */
  readonly coolDownMs: number;
  readonly clock: Clock;
}

/**
 * An issuer's published keys, fetched when they are needed.
 *
 * An unknown key id fetches once more, within the cool-down. When the provider cannot be reached, keys serve on until
 * the stated age, and then nothing is accepted.
 *
 * @param locate - gives the URL of the key set
 */
export function remoteKeys(locate: () => Promise<string>, options: RemoteKeysOptions): KeySource {
  let keys: readonly PublishedKey[] | undefined;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let failure: unknown;
  let flight: Promise<void> | undefined;

  async function load(): Promise<void> {
    triedAt = options.clock();
    try {
      const document = await fetchJson(await locate(), options);
      keys = usableKeys(document);
      fetchedAt = options.clock();
      failure = undefined;
    } catch (error) {
      failure = error;
    }
  }

  function refresh(): Promise<void> {
    flight ??= load().finally(() => (flight = undefined));
    return flight;
  }

  const age = (): number => options.clock() - fetchedAt;
  const cooledDown = (): boolean => flight !== undefined || options.clock() - triedAt >= options.coolDownMs;

  return {
    async find(kid, algorithm) {
      if (age() >= options.maxAgeMs && cooledDown()) await refresh();
      if (keys === undefined || age() >= options.staleAgeMs) {
        throw failure instanceof PortcullisError
          ? failure
          : new PortcullisError('keys_unavailable', undefined, { cause: failure });
      }
      const found = pick(keys, kid, algorithm);
      if (found !== undefined || !cooledDown()) return toVerificationKey(found, algorithm);
      await refresh();
      return toVerificationKey(pick(keys, kid, algorithm), algorithm);
    },
  };
}

const metadata = z.looseObject({ issuer: z.string(), jwks_uri: z.string() });

/**
 * Finds the key set of an issuer by its published metadata, which has to name exactly that issuer.
 *
 * @see OpenID Connect Discovery 1.0, section 4.3; RFC 8414, section 3.3
 */
export async function discoverKeys(
  metadataUrl: string,
  issuer: string,
  secure: (url: string) => string,
  options: FetchOptions,
): Promise<string> {
  const parsed = metadata.safeParse(await fetchJson(metadataUrl, options));
  if (!parsed.success)
    throw new PortcullisError('keys_unavailable', undefined, { detail: `${metadataUrl}: the metadata is malformed` });
  if (parsed.data.issuer !== issuer) {
    throw new PortcullisError('keys_unavailable', undefined, {
      detail: `${metadataUrl}: the metadata is of issuer ${parsed.data.issuer.slice(0, 200)}`,
    });
  }
  return secure(parsed.data.jwks_uri);
}
