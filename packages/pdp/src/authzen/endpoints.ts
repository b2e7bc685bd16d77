import { PortcullisError, type AttributeValue } from '@portcullis/core';
import { z } from 'zod';
import { unavailable } from '../unavailable.js';
import { evaluationPath, evaluationsPath, wellKnownPath } from './wire.js';

/**
 * The key of an option that lets `http:` be used beyond this machine. A symbol, so that a search finds it and no
 * configuration file can set it.
 */
export const allowInsecureRequests: unique symbol = Symbol('allowInsecureRequests');

/** Where a PDP is asked. */
export interface Endpoints {
  readonly evaluation: string;
  /** Absent where the PDP takes no batches. */
  readonly evaluations: string | undefined;
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Reads the identifier of a PDP: `https:`, or `http:` on this machine, with nothing in it but an origin and a path.
 *
 * @throws PortcullisError `config_invalid`
 */
export function readPdpUrl(text: string, option: string, allowInsecure: boolean): URL {
  const url = URL.parse(text);
  if (url === null) throw invalid(option, 'is not a URL');
  if (url.username !== '' || url.password !== '') throw invalid(option, 'must not carry credentials');
  // An empty query or fragment is not in `search` or `hash`.
  if (/[?#]/.test(text)) throw invalid(option, 'must have no query and no fragment');
  if (url.protocol === 'https:') return url;
  if (url.protocol !== 'http:') throw invalid(option, 'must be an https URL');
  if (!allowInsecure && !loopback.test(url.hostname))
    throw invalid(option, 'must be an https URL, but for a PDP on this machine');
  return url;
}

function invalid(option: string, what: string): PortcullisError {
  return new PortcullisError('config_invalid', `\`${option}\` ${what}`);
}

/** The endpoints that the specification gives names to, below the identifier of the PDP. */
export function standardEndpoints(pdp: URL): Endpoints {
  return { evaluation: below(pdp, evaluationPath), evaluations: below(pdp, evaluationsPath) };
}

/** The address of a path below the identifier of a PDP. */
export function below(pdp: URL, path: string): string {
  return `${pdp.origin}${pdp.pathname.replace(/\/$/, '')}${path}`;
}

/** Where the metadata of a PDP is: the well-known path comes before its own. */
export function metadataUrl(pdp: URL): string {
  return `${pdp.origin}${wellKnownPath}${pdp.pathname.replace(/\/$/, '')}`;
}

const metadataSchema = z.object({
  policy_decision_point: z.string(),
  access_evaluation_endpoint: z.string(),
  access_evaluations_endpoint: z.string().optional(),
});

/**
 * Reads the metadata of a PDP. It names endpoints, and could name any: only those at the PDP's own origin are taken,
 * so that nobody who writes metadata chooses where questions and credentials go.
 *
 * @throws PortcullisError `pdp_unavailable` for metadata of another PDP, or with endpoints elsewhere
 * @see AuthZEN Authorization API 1.0, "PDP metadata", validation
 */
export function readMetadata(pdp: URL, body: AttributeValue): Endpoints {
  const read = metadataSchema.safeParse(body);
  if (!read.success) throw unavailable('the metadata of the PDP are malformed');
  const { policy_decision_point: named } = read.data;
  if (URL.parse(named)?.href !== pdp.href) throw unavailable('the metadata are those of another PDP');
  const { access_evaluation_endpoint: evaluation, access_evaluations_endpoint: evaluations } = read.data;
  return {
    evaluation: sameOrigin(pdp, evaluation),
    evaluations: evaluations === undefined ? undefined : sameOrigin(pdp, evaluations),
  };
}

function sameOrigin(pdp: URL, endpoint: string): string {
  const url = URL.parse(endpoint);
  if (url?.origin !== pdp.origin || url.username !== '' || url.password !== '' || url.hash !== '')
    throw unavailable('the metadata name an endpoint that is not at the origin of the PDP');
  return url.href;
}
