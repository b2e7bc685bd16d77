import { method, overload, type Overload } from '../overload.js';
import { parseSpiffeId, parseTrustDomain, SpiffeId, SpiffeMatcher, type SpiffeTrustDomain } from '../spiffe.js';
import { failed, type CelResult, type CelValue } from '../cel-value.js';
import type { Work } from '../work.js';

/** Cerbos's functions on SPIFFE ids. */
export const spiffeFunctions: readonly Overload[] = [
  overload('spiffeID', ['string'], 'spiffeId', (text, work) => {
    work.spend(text.length >> 2);
    return parseSpiffeId(text) ?? failed;
  }),
  overload('spiffeTrustDomain', ['string'], 'spiffeTrustDomain', (text, work) => {
    work.spendText(text.length);
    return parseTrustDomain(text) ?? failed;
  }),
  method('path', ['spiffeId'], 'string', ({ path }) => path),
  method('trustDomain', ['spiffeId'], 'spiffeTrustDomain', ({ trustDomain }) => trustDomain),
  method('isMemberOf', ['spiffeId', 'spiffeTrustDomain'], 'bool', (id, domain, work) =>
    domain.isSame(id.trustDomain, work),
  ),
  method('name', ['spiffeTrustDomain'], 'string', ({ name }) => name),
  overload('spiffeMatchAny', [], 'spiffeMatcher', () => new SpiffeMatcher(() => true)),
  overload('spiffeMatchExact', ['spiffeId'], 'spiffeMatcher', (id) => exactly([id])),
  overload('spiffeMatchExact', ['string'], 'spiffeMatcher', (text, work) => exactlyTexts([text], work)),
  overload('spiffeMatchOneOf', ['list'], 'spiffeMatcher', exactlyTexts),
  overload('spiffeMatchTrustDomain', ['spiffeTrustDomain'], 'spiffeMatcher', within),
  overload('spiffeMatchTrustDomain', ['string'], 'spiffeMatcher', (text, work) => {
    work.spendText(text.length);
    const domain = parseTrustDomain(text);
    return domain === undefined ? failed : within(domain);
  }),
  method('matchesID', ['spiffeMatcher', 'spiffeId'], 'bool', ({ matches }, id, work) => matches(id, work)),
  method('matchesID', ['spiffeMatcher', 'string'], 'bool', ({ matches }, text, work) => {
    const id = parsed(text, work);
    return id === undefined ? failed : matches(id, work);
  }),
];

function within(domain: SpiffeTrustDomain): SpiffeMatcher {
  return new SpiffeMatcher((id, work) => domain.isSame(id.trustDomain, work));
}

function exactly(ids: readonly SpiffeId[]): SpiffeMatcher {
  return new SpiffeMatcher((id, work) => {
    const text = id.toString();
    return ids.some((one) => {
      work.spend(1);
      work.spendText(text.length);
      return one.toString() === text;
    });
  });
}

function parsed(text: string, work: Work): SpiffeId | undefined {
  work.spend(text.length >> 2);
  return parseSpiffeId(text);
}

/** Ids, or texts that are some. */
function exactlyTexts(items: readonly CelValue[], work: Work): CelResult {
  work.spend(items.length);
  const ids: SpiffeId[] = [];
  for (const item of items) {
    const id = item instanceof SpiffeId ? item : typeof item === 'string' ? parsed(item, work) : undefined;
    if (id === undefined) return failed;
    ids.push(id);
  }
  return exactly(ids);
}
