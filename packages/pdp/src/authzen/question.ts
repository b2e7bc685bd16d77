import type { Attributes, AttributeValue, CheckRequest, PortcullisError, Resource } from '@portcullis/core';
import { refused } from '../unavailable.js';
import { noRole, reservedPrefix, subjectType, wireNames, type WireResource, type WireSubject } from './wire.js';

/** One action on one resource, and where its answer belongs. */
export interface Evaluation {
  readonly action: { readonly name: string };
  readonly resource: WireResource;
  /** The place of its question in the request. */
  readonly question: number;
}

/**
 * The principal as an AuthZEN subject.
 *
 * @throws PortcullisError `pdp_unavailable` for what JSON or the mapping cannot say
 */
export function toSubject({ principal, scope }: CheckRequest, policyVersion: string): WireSubject {
  const roles = principal.roles.filter((role) => role !== '');
  return {
    type: subjectType,
    id: sayable(principal.id, 'the principal’s id'),
    properties: {
      ...attributes(principal.attr, 'principal'),
      [wireNames.roles]: roles.length === 0 ? [noRole] : roles.map((role) => sayable(role, 'a role')),
      [wireNames.scope]: sayable(scope, 'the scope'),
      [wireNames.policyVersion]: sayable(policyVersion, 'the policy version'),
    },
  };
}

/**
 * Every action on every resource of a request, one by one, in order.
 *
 * @throws PortcullisError `pdp_unavailable` for what JSON or the mapping cannot say
 */
export function toEvaluations({ questions, scope }: CheckRequest, policyVersion: string): readonly Evaluation[] {
  return questions.flatMap(({ resource, actions }, question) => {
    const wire = toResource(resource, scope, policyVersion);
    return actions.map((name) => ({ action: { name: sayable(name, 'an action') }, resource: wire, question }));
  });
}

/** The attribute `tenant` is always the resource's owner, whatever else was said. */
function toResource(resource: Resource, scope: string, policyVersion: string): WireResource {
  return {
    type: sayable(resource.kind, 'the resource’s kind'),
    id: sayable(resource.id, 'the resource’s id'),
    properties: {
      ...attributes(resource.attr ?? {}, 'resource'),
      tenant: resource.tenant,
      [wireNames.scope]: scope,
      [wireNames.policyVersion]: policyVersion,
    },
  };
}

/** An attribute that would be read as a role, a scope or a version is refused, not overwritten: it must not get lost. */
function attributes(attr: Attributes, of: string): Attributes {
  for (const [name, value] of Object.entries(attr)) {
    if (name.startsWith(reservedPrefix))
      throw unsayable(`the attribute ${JSON.stringify(name.slice(0, 80))} of the ${of} has a reserved name`);
    requireJson(name, `the name of an attribute of the ${of}`);
    requireJson(value, `the attribute ${JSON.stringify(name.slice(0, 80))} of the ${of}`);
  }
  return attr;
}

/** JSON would turn NaN into null, and half a surrogate pair into the same character as any other half. */
function requireJson(value: AttributeValue, what: string): void {
  if (typeof value === 'string') sayable(value, what);
  else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw unsayable(`${what} is not a finite number`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      sayable(name, what);
      requireJson(member, what);
    }
  }
}

function sayable(text: string, what: string): string {
  if (!text.isWellFormed()) throw unsayable(`${what} is not well-formed Unicode`);
  return text;
}

function unsayable(detail: string): PortcullisError {
  return refused(`the question cannot be asked: ${detail}`);
}
