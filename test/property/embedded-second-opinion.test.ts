import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, type CelInput } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type Attributes, type AttributeValue } from '@portcullis/core';
import { embedded, type EmbeddedEngine } from '@portcullis/pdp/embedded';
import { attributes, expression } from './embedded-expressions.js';
import { newFolder, rounds, seed } from './embedded-runs.js';

/**
 * What is Cerbos's own, and where the other one differs from cel-go, and so from Cerbos: two negations, maps that are
 * written out, and `in` on a map with a key that is no text.
 */
const apart =
  /hasIntersection|isSubset|intersect|except|\bscope\b|policyVersion|__proto__|has\(|\brequest\b|!\(*!|\{|\bin \(*[PR]\b/;

function toInput(value: AttributeValue): CelInput {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: AttributeValue) => toInput(item));
  return new Map(Object.entries(value).map(([name, member]) => [name, toInput(member)]));
}

const policyOf = (kind: string, text: string): object => ({
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: {
    resource: kind,
    version: 'default',
    rules: [{ actions: ['x'], effect: 'EFFECT_ALLOW', roles: ['*'], condition: { match: { expr: text } } }],
  },
});

/** The engine on those expressions that it takes. */
async function engineOn(texts: Map<string, string>): Promise<EmbeddedEngine> {
  const folder = newFolder();
  for (const [kind, text] of texts) writeFileSync(join(folder, `${kind}.json`), JSON.stringify(policyOf(kind, text)));
  try {
    return await embedded({ policies: folder, pollMs: 0 });
  } catch (error) {
    if (!(error instanceof PortcullisError)) throw error;
    const refused = [...error.message.matchAll(/\b(e\d+)\.json/g)].map((match) => match[1] ?? '');
    if (refused.length === 0) throw error;
    for (const kind of refused) texts.delete(kind);
    return engineOn(texts);
  }
}

function isTrue(text: string, bindings: Record<string, CelInput>): boolean {
  try {
    return run(text, bindings, { funcs: strings }) === true;
  } catch {
    return false;
  }
}

describe('expressions', () => {
  it('are true where another implementation of CEL finds them true', { timeout: 60_000 * rounds }, async () => {
    const all = fc
      .sample(expression, { numRuns: 500 * rounds, seed })
      .filter((text) => !apart.test(text))
      // The last one is true wherever the expression has a value at all.
      .flatMap((text) => [text, `!(${text})`, `(${text}) == (${text})`]);
    const texts = new Map(all.map((text, index) => [`e${String(index)}`, text]));
    const pdp = await engineOn(texts);
    const found: unknown[] = [];
    const counts = { asked: 0, true: 0 };
    for (const [attr, principalAttr] of fc.sample(fc.tuple(attributes, attributes), { numRuns: 12, seed })) {
      const resource = (kind: string) => ({ kind, id: '1', attr: { ...attr, tenant: 't' } satisfies Attributes });
      const principal = { id: 'p', roles: ['r', 'a'], attr: principalAttr };
      const decisions = await pdp.check({
        principal,
        scope: '',
        questions: [...texts.keys()].map((kind) => ({
          resource: { ...resource(kind), tenant: tenantId('t') },
          actions: ['x'],
        })),
      });
      for (const [index, [kind, text]] of [...texts].entries()) {
        const ours = decisions[index]?.[0]?.effect === 'allow';
        const theirs = isTrue(text, { R: toInput(resource(kind)), P: toInput(principal) });
        counts.asked++;
        if (ours) counts.true++;
        if (ours !== theirs) found.push({ text, ours, theirs, attr: JSON.stringify(attr) });
      }
    }
    await pdp.close();
    console.log(
      `seed ${String(seed)}: ${String(texts.size)} expressions, ${String(counts.asked)} answers, ${String(counts.true)} true`,
    );
    expect(found.slice(0, 8)).toEqual([]);
  });
});
