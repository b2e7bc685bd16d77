import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type ConfigurationChange } from '@portcullis/core';
import { contextFor } from '@portcullis/testing/contexts';
import { memoryStore } from '../store/memory.js';
import type { TenantStore } from '../store/store.js';
import { domainClaims, type DomainClaims } from './domain-claims.js';

const acme = tenantId('acme');
const globex = tenantId('globex');
const day = 24 * 3_600_000;
const job = { system: 'domains', requestId: 'r-0' };

/** What the name server answers, by name: texts in pieces, a response code, or nothing at all. */
const zone = new Map<string, readonly (readonly string[])[] | 'servfail' | 'silence'>();
let server: Socket;
let resolver: Resolver;

/** The answer of a name server to one question (RFC 1035, section 4). */
function answerTo(question: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let size = question.readUInt8(at); size > 0; size = question.readUInt8(at)) {
    labels.push(question.subarray(at + 1, at + 1 + size).toString());
    at += size + 1;
  }
  const found = zone.get(labels.join('.').toLowerCase());
  if (found === 'silence') return undefined;
  const texts = typeof found === 'object' ? found : [];
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (found === 'servfail' ? 2 : found === undefined ? 3 : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(texts.length, 6);
  const records = texts.map((pieces) => {
    const data = Buffer.concat(pieces.flatMap((piece) => [Buffer.from([piece.length]), Buffer.from(piece)]));
    const fixed = Buffer.from([0xc0, 0x0c, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0]);
    fixed.writeUInt16BE(data.length, 10);
    return Buffer.concat([fixed, data]);
  });
  return Buffer.concat([header, question.subarray(12, at + 5), ...records]);
}

beforeAll(async () => {
  server = createSocket('udp4', (question, peer) => {
    const answer = answerTo(question);
    if (answer !== undefined) server.send(answer, peer.port, peer.address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  resolver = new Resolver({ timeout: 200, tries: 1 });
  resolver.setServers([`127.0.0.1:${String(server.address().port)}`]);
});
afterAll(() => {
  resolver.cancel();
  server.close();
});

let now: number;
let store: TenantStore;
let trail: ConfigurationChange[];
let service: DomainClaims;

beforeEach(async () => {
  zone.clear();
  now = 1_000_000;
  trail = [];
  store = memoryStore();
  service = domainClaims({
    store,
    resolver,
    timeoutMs: 1000,
    clock: () => now,
    record: (change) => {
      trail.push(change);
      return Promise.resolve();
    },
  });
  await store.createTenant({ id: acme, name: 'Acme' });
  await store.createTenant({ id: globex, name: 'Globex' });
});

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (!(error instanceof PortcullisError)) return String(error);
    const { reason } = error.data;
    return typeof reason === 'string' ? reason : error.code;
  }
}

const publish = async (tenant = acme, domain = 'acme.com'): Promise<void> => {
  const { name, value } = await service.claim(job, tenant, domain);
  const known = zone.get(name);
  zone.set(name, [...(typeof known === 'object' ? known : []), [value]]);
};
const domains = async (tenant = acme): Promise<readonly string[] | undefined> =>
  (await store.getTenant(tenant))?.domains;

describe('a domain', () => {
  it('is the tenant’s once the record of its claim is there, and not before', async () => {
    const challenge = await service.claim(job, acme, 'ACME.com.');
    expect(challenge).toMatchObject({ domain: 'acme.com', name: '_portcullis-challenge.acme.com' });
    expect(challenge.value).toMatch(/^portcullis-challenge=[\w-]{43}$/);
    expect(await service.claim(job, acme, 'acme.com')).toEqual(challenge);
    expect(await outcome(service.verify(job, acme, 'acme.com'))).toBe('record_missing');
    zone.set(challenge.name, [['v=spf1 -all'], [challenge.value.slice(0, 30), challenge.value.slice(30)]]);
    expect((await service.verify(job, acme, 'acme.com')).domains).toEqual(['acme.com']);
    expect((await store.getTenantByDomain('acme.com'))?.id).toBe(acme);
    expect(trail.map(({ action, target }) => `${action} ${target}`)).toEqual([
      'domain.claim acme.com',
      'domain.verify acme.com',
      'domain.renew acme.com',
    ]);
    expect(JSON.stringify(trail)).not.toContain(challenge.value.slice(21));
  });

  it.each<readonly [string, (value: string) => readonly (readonly string[])[] | 'servfail' | 'silence', string]>([
    ['another text', (value) => [[`${value}x`]], 'record_missing'],
    ['the text, and more', (value) => [['x', value]], 'record_missing'],
    ['no text at all', () => [], 'record_missing'],
    ['another case', (value) => [[value.toUpperCase()]], 'record_missing'],
    ['a failure', () => 'servfail', 'dns_failed'],
    ['silence', () => 'silence', 'dns_failed'],
  ])('is not the tenant’s where the name server answers with %s', async (_name, answer, reason) => {
    const { name, value } = await service.claim(job, acme, 'acme.com');
    zone.set(name, answer(value));
    expect(await outcome(service.verify(job, acme, 'acme.com'))).toBe(reason);
    expect(await domains()).toEqual([]);
  });

  it('is not waited for longer than was said, whatever resolver is used', async () => {
    const never = domainClaims({
      store,
      resolver: { resolveTxt: () => new Promise(() => undefined) },
      timeoutMs: 20,
      record: () => Promise.resolve(),
    });
    await never.claim(job, acme, 'acme.com');
    expect(await outcome(never.verify(job, acme, 'acme.com'))).toBe('dns_failed');
  });

  it('is not proven by another tenant’s record', async () => {
    await publish(globex);
    await service.claim(job, acme, 'acme.com');
    expect(await outcome(service.verify(job, acme, 'acme.com'))).toBe('record_missing');
    await service.verify(job, globex, 'acme.com');
    expect(await outcome(service.claim(job, acme, 'acme.com'))).toBe('conflict');
    expect(await outcome(service.verify(job, acme, 'never.com'))).toBe('not_found');
  });

  it('goes to the first of two tenants that prove it', async () => {
    await publish(acme);
    await publish(globex);
    const outcomes = await Promise.all(
      [acme, globex].map((tenant) => outcome(service.verify(job, tenant, 'acme.com'))),
    );
    expect([...outcomes].sort()).toEqual(['conflict', 'done']);
    expect([await domains(acme), await domains(globex)].flat()).toEqual(['acme.com']);
  });

  it('is added to the domains that there are when it is proven, whoever changes them meanwhile', async () => {
    for (const domain of ['one.com', 'two.com', 'three.com']) await publish(acme, domain);
    await Promise.all(['one.com', 'two.com', 'three.com'].map((domain) => service.verify(job, acme, domain)));
    expect([...((await domains()) ?? [])].sort()).toEqual(['one.com', 'three.com', 'two.com']);
  });

  it('has to be proven in time, and claimed anew after that, with another challenge', async () => {
    const first = await service.claim(job, acme, 'acme.com');
    zone.set(first.name, [[first.value]]);
    now = first.expiresAt;
    expect(await outcome(service.verify(job, acme, 'acme.com'))).toBe('claim_expired');
    expect((await service.claim(job, acme, 'acme.com')).value).not.toBe(first.value);
    expect(await outcome(service.verify(job, acme, 'acme.com'))).toBe('record_missing');
  });

  it.each([
    'localhost',
    'com',
    '127.0.0.1',
    'a b.com',
    'gmail.com',
    'Outlook.com',
    'co.uk',
    'com.au',
    'github.io',
    'platform.test',
  ])('is never %s', async (domain) => {
    const strict = domainClaims({
      store,
      resolver,
      isPublic: (name) => name === 'platform.test',
      record: () => Promise.resolve(),
    });
    expect(await outcome(strict.claim(job, acme, domain))).toBe('request_invalid');
  });

  it('is looked at again, and lost only when the proof is old and the record is gone', async () => {
    await publish(acme, 'kept.com');
    await publish(acme, 'gone.com');
    await publish(acme, 'slow.com');
    for (const domain of ['kept.com', 'gone.com', 'slow.com']) await service.verify(job, acme, domain);
    await store.updateTenant(acme, { domains: [...((await domains()) ?? []), 'given.com'] });
    zone.delete('_portcullis-challenge.gone.com');
    zone.set('_portcullis-challenge.slow.com', 'servfail');
    const states = async (): Promise<object> =>
      Object.fromEntries((await service.review(job, acme)).map(({ domain, state }) => [domain, state]));
    expect(await states()).toEqual({ 'kept.com': 'proven', 'gone.com': 'missing', 'slow.com': 'unknown' });
    now += 91 * day;
    expect(await states()).toEqual({ 'kept.com': 'proven', 'gone.com': 'released', 'slow.com': 'unknown' });
    expect([...((await domains()) ?? [])].sort()).toEqual(['given.com', 'kept.com', 'slow.com']);
    expect(await states()).toEqual({ 'kept.com': 'proven', 'slow.com': 'unknown' });
    await service.release(job, acme, 'kept.com');
    expect((await store.getDomainClaims(acme)).map(({ domain }) => domain)).toEqual(['slow.com']);
  });

  it('is on record whenever its claim changes: renewed, or given up before it was proven', async () => {
    const { name, value } = await service.claim(job, acme, 'acme.com');
    zone.set(name, [[value]]);
    await service.verify(job, acme, 'acme.com');
    trail.length = 0;
    now += day;
    await service.review(job, acme);
    const held = await store.getDomainClaim(acme, 'acme.com');
    expect(trail).toMatchObject([
      {
        action: 'domain.renew',
        before: { expiresAt: (held?.expiresAt ?? 0) - day },
        after: { expiresAt: held?.expiresAt },
      },
    ]);
    await service.release(job, acme, 'acme.com');
    await service.claim(job, acme, 'open.com');
    await service.release(job, acme, 'open.com');
    await service.release(job, acme, 'open.com');
    expect(trail.slice(1).map(({ action, target }) => `${action} ${target}`)).toEqual([
      'domain.release acme.com',
      'domain.claim open.com',
      'domain.release open.com',
    ]);
    expect(await store.getDomainClaims(acme)).toEqual([]);
  });

  it('is claimed, proven and released from within the tenant only', async () => {
    await store.putMember(globex, 'test#gina', ['owner']);
    const stranger = contextFor({ tenant: 'globex', subject: 'gina', memberRoles: ['owner'] });
    await publish();
    expect(await outcome(service.claim(stranger, acme, 'acme.com'))).toBe('cross_tenant');
    expect(await outcome(service.verify(stranger, acme, 'acme.com'))).toBe('cross_tenant');
    expect(await outcome(service.release(stranger, acme, 'acme.com'))).toBe('cross_tenant');
    expect(await outcome(service.review(stranger, acme))).toBe('cross_tenant');
  });

  it('makes nobody a member', async () => {
    await publish();
    await service.verify(job, acme, 'acme.com');
    expect(await store.getMembers(acme)).toEqual([]);
  });
});
