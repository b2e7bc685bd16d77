import type { Attributes, AttributeValue, Obligation, PolicyOutput } from '@portcullis/core';

/** The type of an obligation that could not be read. No enforcement point knows it, and so it denies. */
export const malformedObligation = 'malformed';

/**
 * Reads obligations out of policy outputs.
 *
 * An output whose value is an object with a member `obligation` (the type) is one; its other members are properties.
 * `obligations` holds a list of such objects. Any other output is just an output. One that is meant as an obligation
 * and is malformed becomes an obligation that nobody can carry out: it must not get lost.
 *
 * @example
 * ```yaml
 * output:
 *   when:
 *     ruleActivated: |-
 *       {"obligation": "human_approval", "message": "Refund " + string(R.attr.amount) + "?"}
 * ```
 */
export function obligationsOf(outputs: readonly PolicyOutput[]): readonly Obligation[] {
  return outputs.flatMap((output) => read(output));
}

function read(output: PolicyOutput): readonly Obligation[] {
  const { value } = output;
  if (!isObject(value)) return [];
  if (Object.hasOwn(value, 'obligations')) {
    const list = value['obligations'];
    return Array.isArray(list)
      ? list.map((item: AttributeValue, index) => one(item, `${output.source}#${String(index)}`))
      : [malformed(output.source)];
  }
  return Object.hasOwn(value, 'obligation') ? [one(value, output.source)] : [];
}

function one(value: AttributeValue, source: string): Obligation {
  if (!isObject(value)) return malformed(source);
  const { obligation: type, id = source, ...properties } = value;
  if (typeof type !== 'string' || type === '' || typeof id !== 'string') return malformed(source);
  return { id, type, properties };
}

function malformed(source: string): Obligation {
  return { id: source, type: malformedObligation, properties: {} };
}

function isObject(value: AttributeValue | undefined): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
