import type { Attributes, AttributeValue } from '@portcullis/core';
import { z } from 'zod';

/**
 * What AuthZEN has no word for travels in properties of these names: those that the Cerbos PDP reads and writes on its
 * own AuthZEN endpoints, so that both sides need no agreement of ours.
 */
export const wireNames = {
  /** `subject.properties`: the roles in the tenant. */
  roles: 'cerbos.roles',
  /** `subject.properties` and `resource.properties`: the policy scope. */
  scope: 'cerbos.scope',
  /** `subject.properties` and `resource.properties`. */
  policyVersion: 'cerbos.policyVersion',
  /** `context` of a question: whether to say which policy decided. */
  includeMeta: 'cerbos.includeMeta',
  /** `context` of a question. */
  requestId: 'cerbos.requestId',
  /** `context` of an answer: the policies that decided, and their outputs. */
  response: 'cerbos.response',
} as const;

/** What all of these names begin with. An attribute of a principal or a resource never does. */
export const reservedPrefix = 'cerbos.';

/**
 * The one role of a principal that has none: without any, the Cerbos PDP would take the subject's type for its role.
 * The same word as `noRole` of `@portcullis/pdp/cerbos`.
 */
export const noRole = 'none';

/** The subject type of every question: COAZ-MCP's. */
export const subjectType = 'identity';

/** Where a PDP says what it offers. @see AuthZEN Authorization API 1.0, "PDP metadata" */
export const wellKnownPath = '/.well-known/authzen-configuration';
/** @see AuthZEN Authorization API 1.0, "Transport" */
export const evaluationPath = '/access/v1/evaluation';
/** @see AuthZEN Authorization API 1.0, "Transport" */
export const evaluationsPath = '/access/v1/evaluations';

/** An object of JSON. Not `z.record`, which drops a member named `__proto__`: an attribute must not get lost. */
export const attributesSchema = z.custom<Attributes>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
);

/** Who asks, as AuthZEN says it. */
export interface WireSubject {
  readonly type: string;
  readonly id: string;
  readonly properties?: Attributes | undefined;
}

/** What is asked about, as AuthZEN says it. */
export interface WireResource {
  readonly type: string;
  readonly id: string;
  readonly properties?: Attributes | undefined;
}

/** The words of a request id that can be a header and a log line as they are. */
export const requestIdPattern = /^[\w.:-]{1,128}$/;

/** Whether `value` is a JSON object. */
export function isObject(value: AttributeValue | undefined): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
