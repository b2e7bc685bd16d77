import { digest } from './canonical.js';
import { redact } from './redact.js';

/**
 * What is recorded of a call's arguments. `none`: nothing. `names`: the names of the members. `hash`: a SHA-256 of
 * the canonical JSON, which proves what was sent without keeping it. `redacted`: the values, without secrets.
 */
export type RecordArguments = 'none' | 'names' | 'hash' | 'redacted';

/** The form of a call's arguments that goes into the audit log. */
export function recordedArguments(args: unknown, mode: RecordArguments): unknown {
  if (args === undefined) return undefined;
  switch (mode) {
    case 'none':
      return undefined;
    case 'names':
      return typeof args === 'object' && args !== null ? Object.keys(args).sort() : [];
    case 'hash':
      return { sha256: digest(args) };
    case 'redacted':
      return redact(args);
  }
}
