import type { Attributes, AttributeValue, Principal, Resource } from '@portcullis/core';

/** Thrown where a condition reads what is not there: the question is then denied. */
export class MissingAttribute extends Error {}

/** What `r.principal` and `r.resource` are read from. */
export interface Attributed {
  readonly principal: Principal;
  readonly resource: Resource;
}

/**
 * Reads an attribute by its path, as `resource.attr.owner`. Nothing is there but what the object itself has: no
 * `constructor`, no length of a text. Two attributes that are both missing must not be equal.
 *
 * @throws MissingAttribute
 */
export function readAttribute({ principal, resource }: Attributed, path: string): AttributeValue {
  const [root, member = '', ...names] = path.split('.');
  const attr: Attributes =
    // The attribute `tenant` is always the resource's owner, whatever else was said.
    root === 'principal' ? principal.attr : { ...resource.attr, tenant: resource.tenant };
  if (member !== 'attr')
    return own(root === 'principal' ? { id: principal.id } : plainResource(resource), member, path);
  let value: AttributeValue = attr;
  for (const name of names) value = own(value, name, path);
  return copy(value);
}

function plainResource({ kind, id, tenant }: Resource): Attributes {
  return { kind, id, tenant };
}

function own(value: AttributeValue, name: string, path: string): AttributeValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    throw new MissingAttribute(`\`${path}\` is missing`);
  const member = (value as Attributes)[name];
  if (member === undefined) throw new MissingAttribute(`\`${path}\` is missing`);
  return member;
}

/** A copy that a function can do with as it likes; objects have no prototype. */
function copy(value: AttributeValue): AttributeValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: AttributeValue) => copy(item));
  const copied = Object.create(null) as Record<string, AttributeValue>;
  for (const [name, member] of Object.entries(value)) copied[name] = copy(member);
  return copied;
}

/** Whether a list holds a value. Something that is no list fails, as what is missing does. */
export function listContains(list: unknown, value: unknown): boolean {
  if (!Array.isArray(list)) throw new MissingAttribute('what `in` looks into is not a list');
  return list.includes(value);
}
