import { createHash } from 'node:crypto';

/** What an endpoint answers. */
export interface Answer {
  readonly status: number;
  /** JSON; absent for an empty answer. */
  readonly body?: object | undefined;
  /** In place of `body`: a text of another type. */
  readonly text?: { readonly type: string; readonly content: string } | undefined;
  /** The strong entity tag of the representation, quoted. */
  readonly etag?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/**
 * The strong entity tag of a record: its version, and a digest of what is shown of it. A record that was deleted and
 * made anew begins with version 1 again; the digest tells it from the old one.
 *
 * @param view - what is shown: plain JSON, always built with its members in the same order
 * @see RFC 9110, section 8.8.3
 */
export function entityTag(version: number, view: object): string {
  const digest = createHash('sha256').update(JSON.stringify(view)).digest('base64url').slice(0, 16);
  return `"${String(version)}-${digest}"`;
}

/** A representation with its entity tag. */
export function tagged(status: number, view: { readonly version: number } & Readonly<Record<string, unknown>>): Answer {
  return { status, body: view, etag: entityTag(view.version, view) };
}
