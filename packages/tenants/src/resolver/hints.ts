import { BlockList, isIP } from 'node:net';
import { PortcullisError, type TenantQuery } from '@portcullis/core';

/** Where hints may come from. */
export interface HintOptions {
  /** Domains under which each tenant has a subdomain, as `app.example.com`. @defaultValue none */
  readonly baseDomains?: readonly string[] | undefined;
  /** The header that names a tenant; `false` for none. @defaultValue `x-tenant-id` */
  readonly header?: string | false | undefined;
  /** Addresses and CIDR ranges of proxies whose forwarded host counts. @defaultValue none */
  readonly trustedProxies?: readonly string[] | undefined;
  /** The header in which those proxies pass the host on. @defaultValue `x-forwarded-host` */
  readonly forwardedHost?: 'x-forwarded-host' | 'forwarded' | undefined;
}

/** What the caller says about the tenant it means. It may select, and never adds anything. */
export interface Hints {
  readonly subdomain: string | undefined;
  readonly header: string | undefined;
}

/** Reads the hints of a request. */
export type HintReader = (query: TenantQuery) => Hints;

/**
 * Makes a reader of hints.
 *
 * @throws PortcullisError `config_invalid` for a proxy that is no address or range
 */
export function hintReader(options: HintOptions): HintReader {
  const baseDomains = (options.baseDomains ?? []).map((domain) => domain.toLowerCase().replace(/\.$/, ''));
  const header = options.header ?? 'x-tenant-id';
  const proxies = blockList(options.trustedProxies ?? []);
  const forwardedHost = options.forwardedHost ?? 'x-forwarded-host';

  return (query) => ({
    subdomain: baseDomains.length === 0 ? undefined : subdomainOf(hostOf(query, proxies, forwardedHost), baseDomains),
    header: header === false ? undefined : headerHint(query.header?.(header)),
  });
}

/** The value of a hint header, exactly as sent. Repeated headers arrive joined by a comma, which no tenant id has. */
function headerHint(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (!/^[0-9A-Za-z][\w-]{0,63}$/.test(value))
    throw new PortcullisError('request_invalid', 'the tenant header is malformed');
  return value;
}

/**
 * The host that the client asked for. A forwarded host counts only if the direct peer is a trusted proxy, and then it
 * has to be a single one: with two, somebody in front added his own.
 */
function hostOf(query: TenantQuery, proxies: BlockList, forwardedHost: 'x-forwarded-host' | 'forwarded'): string {
  const forwarded = isTrusted(query.peerAddress, proxies) ? query.header?.(forwardedHost) : undefined;
  const host =
    forwarded === undefined ? query.host : forwardedHost === 'forwarded' ? hostParameter(forwarded) : forwarded;
  if (host === undefined || host === '') throw new PortcullisError('host_refused', 'the request names no host');
  if (host.includes(',')) throw new PortcullisError('request_invalid', 'the host is given more than once');
  return host.trim();
}

/** The `host` of a single `Forwarded` element. @see RFC 7239, section 5.3 */
function hostParameter(value: string): string | undefined {
  if (value.includes(',')) return value;
  const pairs = value.split(';').map((pair) => /^\s*host\s*=\s*(?:"([^"\\]*)"|([^\s"]+))\s*$/i.exec(pair));
  const hosts = pairs.filter((pair) => pair !== null).map((pair) => pair[1] ?? pair[2]);
  if (hosts.length > 1) throw new PortcullisError('request_invalid', 'the host is given more than once');
  return hosts[0];
}

/** The label in front of a base domain: exactly one, and never the end of a longer label. */
function subdomainOf(host: string, baseDomains: readonly string[]): string | undefined {
  if (!/^[A-Za-z0-9.-]+(:\d{1,5})?$/.test(host)) throw new PortcullisError('host_refused');
  const name = host.replace(/:\d+$/, '').toLowerCase().replace(/\.$/, '');
  for (const base of baseDomains) {
    if (name === base) return undefined;
    if (!name.endsWith(`.${base}`)) continue;
    const label = name.slice(0, -base.length - 1);
    if (/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) return label;
  }
  throw new PortcullisError('host_refused');
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
    if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > (version === 6 ? 128 : 32)) {
      throw new PortcullisError('config_invalid', `trustedProxies: \`${range}\` is no address or range`);
    }
    list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

function isTrusted(peer: string | undefined, proxies: BlockList): boolean {
  if (peer === undefined) return false;
  // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
  const address = peer.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
  const version = isIP(address);
  return version !== 0 && proxies.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
