import type { Activation, Evaluate, ResourceValue } from './expression.js';
import type { Kind } from './kind.js';
import { failed, type CelMap, type CelResult } from './cel-value.js';
import { emptyMap } from './value.js';
import type { Work } from './work.js';

/** What a request consists of: these have fields, which are known when the policies are loaded. */
export type Message = 'request' | 'P' | 'R' | 'aux_data' | 'runtime';

interface Field {
  readonly evaluate: Evaluate;
  readonly kind: Kind;
  readonly item?: Kind;
  /** What `has` says of it. Fields of a message that are empty are not there. */
  readonly isPresent: (activation: Activation) => boolean;
}

/** This engine is given no auxiliary data; Cerbos has an empty map then. */
const noClaims = emptyMap();

const scope: Field = {
  evaluate: (activation) => activation.scope,
  kind: 'string',
  isPresent: (activation) => activation.scope !== '',
};
const policyVersion: Field = {
  evaluate: (activation) => activation.policyVersion,
  kind: 'string',
  isPresent: (activation) => activation.policyVersion !== '',
};
const effectiveDerivedRoles: Field = {
  evaluate: ({ runtime }) => runtime.effectiveDerivedRoles,
  kind: 'list',
  item: 'string',
  isPresent: ({ runtime }) => runtime.effectiveDerivedRoles.length > 0,
};

const fields: Readonly<Record<Message, Readonly<Record<string, Field | Message>>>> = {
  request: { principal: 'P', resource: 'R', aux_data: 'aux_data', auxData: 'aux_data' },
  P: {
    id: { evaluate: ({ principal }) => principal.id, kind: 'string', isPresent: () => true },
    roles: {
      evaluate: ({ principal }) => principal.roles,
      kind: 'list',
      item: 'string',
      isPresent: ({ principal }) => principal.roles.length > 0,
    },
    attr: {
      evaluate: ({ principal }) => principal.attr,
      kind: 'map',
      isPresent: ({ principal, work }) => hasMembers(principal.attr, work),
    },
    scope,
    policyVersion,
    policy_version: policyVersion,
  },
  R: {
    id: { evaluate: ({ resource }) => resource.id, kind: 'string', isPresent: () => true },
    kind: { evaluate: ({ resource }) => resource.kind, kind: 'string', isPresent: () => true },
    attr: {
      evaluate: ({ resource }) => resource.attr,
      kind: 'map',
      isPresent: ({ resource, work }) => hasMembers(resource.attr, work),
    },
    scope,
    policyVersion,
    policy_version: policyVersion,
  },
  aux_data: { jwt: { evaluate: () => noClaims, kind: 'map', isPresent: () => false } },
  runtime: { effectiveDerivedRoles, effective_derived_roles: effectiveDerivedRoles },
};

function hasMembers(attr: CelMap, work: Work): boolean {
  const count = Object.keys(attr).length;
  work.spend(count << 2);
  return count > 0;
}

/** A field of a message: a value, or a message again. */
export function fieldOf(message: Message, name: string): Field | Message | undefined {
  return Object.hasOwn(fields[message], name) ? fields[message][name] : undefined;
}

/** An attribute, which is what most expressions begin with. */
export function attributeOf(message: Message, name: string): Evaluate | undefined {
  switch (message) {
    case 'P':
      return ({ principal }) => attributeIn(principal.attr, name);
    case 'R':
      return ({ resource }) => resource.attribute(name);
    default:
      return undefined;
  }
}

/** A resource with just these attributes. */
export function resourceWith(resource: Omit<ResourceValue, 'attribute'>): ResourceValue {
  return { ...resource, attribute: (name) => attributeIn(resource.attr, name) };
}

/** A member of attributes. */
export function attributeIn(attr: CelMap, name: string): CelResult {
  return Object.hasOwn(attr, name) ? (attr[name] ?? null) : failed;
}
