import { method, overload, type Overload } from '../overload.js';
import { parseSpiffeId, parseTrustDomain, SpiffeId, SpiffeMatcher, type SpiffeTrustDomain } from '../spiffe.js';
import { failed, type CelResult, type CelValue } from '../value.js';
import type { Work } from '../work.js';

/** Cerbos's functions on SPIFFE ids. */
export const spiffeFunctions: readonly Overload[] = [
  overload('spiffeID', ['string'], 'spiffeId', (text, work) => {
    work.spendText(text.length);
    return parseSpiffeId(text) ?? failed;
  }),
  overload('spiffeTrustDomain', ['string'], 'spiffeTrustDomain', (text, work) => {
    work.spendText(text.length);
    return parseTrustDomain(text) ?? failed;
  }),
  method('path', ['spiffeId'], 'string', ({ path }) => path),
  method('trustDomain', ['spiffeId'], 'spiffeTrustDomain', ({ trustDomain }) => trustDomain),
  method('isMemberOf', ['spiffeId', 'spiffeTrustDomain'], 'bool', (id, domain) => id.trustDomain.name === domain.name),
  method('name', ['spiffeTrustDomain'], 'string', ({ name }) => name),
  overload('spiffeMatchAny', [], 'spiffeMatcher', () => new SpiffeMatcher(() => true)),
  overload('spiffeMatchExact', ['spiffeId'], 'spiffeMatcher', (id) => exactly([id])),
  overload('spiffeMatchExact', ['string'], 'spiffeMatcher', (text, work) => exactlyTexts([text], work)),
  overload('spiffeMatchOneOf', ['list'], 'spiffeMatcher', exactlyTexts),
  overload('spiffeMatchTrustDomain', ['spiffeTrustDomain'], 'spiffeMatcher', within),
  overload('spiffeMatchTrustDomain', ['string'], 'spiffeMatcher', (text) => {
    const domain = parseTrustDomain(text);
    return domain === undefined ? failed : within(domain);
  }),
  method('matchesID', ['spiffeMatcher', 'spiffeId'], 'bool', ({ matches }, id) => matches(id)),
  method('matchesID', ['spiffeMatcher', 'string'], 'bool', ({ matches }, text) => {
    const id = parseSpiffeId(text);
    return id === undefined ? failed : matches(id);
  }),
];

function within(domain: SpiffeTrustDomain): SpiffeMatcher {
  return new SpiffeMatcher((id) => id.trustDomain.name === domain.name);
}

function exactly(ids: readonly SpiffeId[]): SpiffeMatcher {
  return new SpiffeMatcher((id) => ids.some((one) => one.toString() === id.toString()));
}

/** Ids, or texts that are some. */
function exactlyTexts(items: readonly CelValue[], work: Work): CelResult {
  work.spend(items.length);
  const ids: SpiffeId[] = [];
  for (const item of items) {
    const id = item instanceof SpiffeId ? item : typeof item === 'string' ? parseSpiffeId(item) : undefined;
    if (id === undefined) return failed;
    ids.push(id);
  }
  return exactly(ids);
}
