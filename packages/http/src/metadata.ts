import { PortcullisError } from '@portcullis/core';

/** What a protected resource says of itself. */
export interface ResourceMetadataOptions {
  /** The public URL of the MCP endpoint: the resource identifier that tokens name as their audience (RFC 8707). */
  readonly resource: string;
  /** The issuers of the authorization servers that clients may get tokens from. At least one. */
  readonly authorizationServers: readonly string[];
  /** Scopes a client may ask for. */
  readonly scopesSupported?: readonly string[] | undefined;
  /** A name for people. */
  readonly resourceName?: string | undefined;
  /** A page for developers. */
  readonly documentation?: string | undefined;
}

/** The metadata document, and where it is served. */
export interface ResourceMetadata {
  /** The absolute URL that challenges point to. */
  readonly url: string;
  /** The paths that serve it: at the root, and with the resource's path inserted. */
  readonly paths: readonly string[];
  readonly document: Readonly<Record<string, unknown>>;
}

const wellKnown = '/.well-known/oauth-protected-resource';

/**
 * Builds the RFC 9728 metadata of this server.
 *
 * @throws PortcullisError `config_invalid` when the resource is no absolute http(s) URL, has a fragment, or names no
 * authorization server
 * @see RFC 9728, sections 2 and 3.1
 */
export function resourceMetadata(options: ResourceMetadataOptions): ResourceMetadata {
  const resource = parseUrl(options.resource, 'resource');
  if (resource.hash !== '' || resource.search !== '') {
    throw new PortcullisError('config_invalid', 'resource: must have no query and no fragment');
  }
  if (options.authorizationServers.length === 0) {
    throw new PortcullisError('config_invalid', 'authorizationServers: at least one is required (RFC 9728)');
  }
  for (const server of options.authorizationServers) parseUrl(server, 'authorizationServers');
  const path = resource.pathname === '/' ? '' : resource.pathname.replace(/\/$/, '');
  return {
    url: `${resource.origin}${wellKnown}${path}`,
    paths: path === '' ? [wellKnown] : [`${wellKnown}${path}`, wellKnown],
    document: {
      resource: options.resource,
      authorization_servers: [...options.authorizationServers],
      bearer_methods_supported: ['header'],
      ...(options.scopesSupported === undefined ? {} : { scopes_supported: [...options.scopesSupported] }),
      ...(options.resourceName === undefined ? {} : { resource_name: options.resourceName }),
      ...(options.documentation === undefined ? {} : { resource_documentation: options.documentation }),
    },
  };
}

/** Answers a request for the metadata document; `undefined` when the request is for something else. */
export function metadataResponse(request: Request, metadata: ResourceMetadata): Response | undefined {
  if (!metadata.paths.includes(new URL(request.url).pathname)) return undefined;
  const cors = { 'access-control-allow-origin': '*', 'access-control-allow-methods': 'GET, HEAD, OPTIONS' };
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return new Response(request.method === 'HEAD' ? null : JSON.stringify(metadata.document), {
        headers: { ...cors, 'content-type': 'application/json', 'cache-control': 'public, max-age=300' },
      });
    case 'OPTIONS':
      return new Response(null, { status: 204, headers: { ...cors, 'access-control-allow-headers': '*' } });
    default:
      return new Response(null, { status: 405, headers: { ...cors, allow: 'GET, HEAD, OPTIONS' } });
  }
}

function parseUrl(value: string, option: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new PortcullisError('config_invalid', `${option}: \`${value}\` is not an absolute http(s) URL`);
  }
  return url;
}
