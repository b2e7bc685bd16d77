import { parseStrictJson, PortcullisError, readBoundedText, type AttributeValue } from '@portcullis/core';

/** How documents of a provider are fetched. */
export interface FetchOptions {
  readonly fetch: typeof fetch;
  /** In milliseconds. */
  readonly timeoutMs: number;
}

const maxBytes = 512 * 1024;

/**
 * Fetches a JSON document of an identity provider: no redirects, a deadline, a bound on its size.
 *
 * @throws PortcullisError `keys_unavailable`
 */
export async function fetchJson(url: string, { fetch: fetchUrl, timeoutMs }: FetchOptions): Promise<AttributeValue> {
  try {
    const response = await fetchUrl(url, {
      redirect: 'error',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status !== 200) throw new Error(`status ${String(response.status)}`);
    return parseStrictJson(await readBoundedText(response, maxBytes));
  } catch (cause) {
    throw new PortcullisError('keys_unavailable', undefined, {
      detail: `${url}: ${cause instanceof Error ? cause.message : 'failed'}`,
      cause,
    });
  }
}

/**
 * Checks a URL of a provider: https, or http on this machine.
 *
 * @throws PortcullisError `config_invalid`
 */
export function requireSecureUrl(value: string, option: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const secure =
    url?.protocol === 'https:' ||
    (url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname));
  if (url === undefined || !secure || url.username !== '' || url.hash !== '') {
    throw new PortcullisError('config_invalid', `${option}: \`${value}\` is not an https URL`);
  }
  return value;
}
