import type { PortcullisError } from '@portcullis/core';

const brands = Symbol.for('mcp.sdk.errorBrands');

/**
 * A refusal in the form that the MCP SDK recognizes.
 *
 * The v2 SDK tells an OAuth error by a brand under a registered symbol, so that errors of another copy of the SDK count;
 * that is used here in place of a dependency. The v1 SDK goes by its class: hand the verifier `oauthError` there.
 *
 * @see RFC 6750, section 3.1
 */
export class OAuthRefusal extends Error {
  override readonly name = 'OAuthError';
  readonly code: 'invalid_token' | 'server_error';
  readonly errorUri = undefined;
  readonly [brands]: ReadonlySet<string> = new Set(['mcp.OAuthError']);

  constructor(error: PortcullisError) {
    super(error.message, { cause: error });
    this.code = error.httpStatus === 401 ? 'invalid_token' : 'server_error';
  }

  /** The body of the OAuth error answer. */
  toResponseObject(): { readonly error: string; readonly error_description: string } {
    return { error: this.code, error_description: this.message };
  }
}
