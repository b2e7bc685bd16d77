import type { AttributeValue, Attributes } from '@portcullis/core';
import type { DeclaredMapping } from '../mapping/declared.js';
import type { ResourceRef, TypedAuthorize } from './authorize.js';

/**
 * Says a typed authorization as an `x-authzen-mapping`, so that clients and gateways can read it in `tools/list`.
 *
 * The resource function is called once with an argument that records which members it reads. A function that only
 * picks members out of its arguments can be said as a mapping; one that computes, loads, waits or branches cannot, and
 * then nothing is published: enforcement does not depend on it, but a gateway that reads it must not be misled. That a
 * recorded member was compared cannot be seen from outside, and so the function's own text has to be plain.
 *
 * @returns the mapping, or `undefined` when it cannot be expressed
 */
export function expressAsMapping<Args, Storage>(authorize: TypedAuthorize<Args, Storage>): DeclaredMapping | undefined {
  try {
    const resource = authorize.resource === undefined ? { id: '*' } : record(authorize.resource);
    const id = stringOf(resource.id);
    if (id === undefined) return undefined;
    return {
      evaluation: {
        action: { name: escape(authorize.action) },
        resource: {
          type: escape(authorize.kind),
          id,
          ...(resource.attr === undefined ? {} : { properties: treeOf(resource.attr) }),
        },
        context: { agent: '$token.?client_id' },
      },
    };
  } catch {
    return undefined;
  }
}

function record<Args, Storage>(resource: NonNullable<TypedAuthorize<Args, Storage>['resource']>): ResourceRef {
  if (!isPlain(resource)) throw new Inexpressible();
  const result = resource(recorder('params.arguments') as Args, recorder(undefined) as never);
  if (result instanceof Promise) {
    result.catch(() => undefined);
    throw new Inexpressible();
  }
  if (result === undefined) throw new Inexpressible();
  return result;
}

const texts = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g;
const keywords =
  /\b(?:if|else|switch|for|while|do|try|new|typeof|instanceof|in|await|yield|this|function|async|throw|delete|void)\b/;

/** Whether a function is an arrow without an operator, a call or a default: then there is nothing that it could decide. */
function isPlain(resource: (...args: never) => unknown): boolean {
  const [parameters, body, ...more] = Function.prototype.toString.call(resource).replace(texts, "''").split('=>');
  if (parameters === undefined || body === undefined || more.length > 0) return false;
  const calls = /[\w$)\]]\s*\(/.test(body.replace(/\breturn\s*\(/g, '('));
  return !/[^\w$\s{}()[\],:.;'"]/.test(parameters + body) && !keywords.test(body) && !calls;
}

/** Thrown when a resource function does more than pick members. */
class Inexpressible extends Error {}

const recordedPaths = new WeakMap<object, string>();

/** An object that turns member access into a path, and refuses everything else. */
function recorder(path: string | undefined): object {
  const refuse = (): never => {
    throw new Inexpressible();
  };
  const proxy: object = new Proxy(Object.create(null) as object, {
    get(_target, member) {
      if (path === undefined || typeof member !== 'string' || member === 'then') return refuse();
      return recorder(/^[A-Za-z_]\w*$/.test(member) ? `${path}.${member}` : `${path}[${JSON.stringify(member)}]`);
    },
    has: refuse,
    ownKeys: refuse,
    getOwnPropertyDescriptor: refuse,
    getPrototypeOf: () => null,
    set: refuse,
  });
  if (path !== undefined) recordedPaths.set(proxy, path);
  return proxy;
}

function stringOf(value: unknown): string | undefined {
  if (typeof value === 'string') return escape(value);
  const path = typeof value === 'object' && value !== null ? recordedPaths.get(value) : undefined;
  return path === undefined ? undefined : `$${path}`;
}

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

function treeOf(attributes: Attributes): Record<string, Json> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, jsonOf(value)]));
}

function jsonOf(value: AttributeValue): Json {
  const text = stringOf(value);
  if (text !== undefined) return text;
  if (Array.isArray(value)) return (value as readonly AttributeValue[]).map(jsonOf);
  if (typeof value === 'object' && value !== null) return treeOf(value as Attributes);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new Inexpressible();
}

function escape(literal: string): string {
  return literal.startsWith('$') ? `$${literal}` : literal;
}
