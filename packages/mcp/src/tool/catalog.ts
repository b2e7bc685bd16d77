import { PortcullisError } from '@portcullis/core';
import { compileMapping, mappingMember, type CompiledMapping, type DeclaredMapping } from '../mapping/declared.js';
import { isObject } from '../message.js';
import type { TypedAuthorize } from './authorize.js';
import { expressAsMapping } from './express.js';

/** Validates outside data: the part of Standard Schema that is needed. @see https://standardschema.dev */
export interface ArgumentsSchema {
  readonly '~standard': {
    readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult>;
  };
}

type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** How one tool is authorized. */
export type ToolRule =
  | {
      readonly source: 'default';
      /** The server has no tool of that name: the question is asked all the same. */
      readonly isUnknown?: boolean | undefined;
    }
  | {
      readonly source: 'declared';
      readonly mapping: CompiledMapping;
      readonly scopes: readonly string[];
      readonly publish?: DeclaredMapping | undefined;
    }
  | {
      readonly source: 'typed';
      readonly authorize: TypedAuthorize<unknown, unknown>;
      readonly schema: ArgumentsSchema | undefined;
      readonly scopes: readonly string[];
      readonly publish: DeclaredMapping | undefined;
    }
  | { readonly source: 'malformed'; readonly error: PortcullisError };

/** Rules of tools that were registered through the gate, by server instance. */
const registered = new WeakMap<object, Map<string, ToolRule>>();

/** Remembers how a tool of this server is authorized. */
export function registerRule(server: object, name: string, rule: ToolRule): void {
  const rules = registered.get(server) ?? new Map<string, ToolRule>();
  rules.set(name, rule);
  registered.set(server, rules);
}

/** The rule a tool of this server was registered with, through the gate. */
export function registeredRule(server: object, name: string): ToolRule | undefined {
  return registered.get(server)?.get(name);
}

/** Makes the rule of a typed authorization. */
export function typedRule(authorize: TypedAuthorize<unknown, unknown>, schema: ArgumentsSchema | undefined): ToolRule {
  return { source: 'typed', authorize, schema, scopes: authorize.scopes ?? [], publish: expressAsMapping(authorize) };
}

/** Makes the rule of a declared mapping; throws `mapping_error` when it is malformed. */
export function declaredRule(declared: DeclaredMapping, scopes: readonly string[] = []): ToolRule {
  return { source: 'declared', mapping: compileMapping(declared), scopes, publish: declared };
}

const unknownTool: ToolRule = { source: 'default', isUnknown: true };

const compiled = new Map<string, ToolRule>();
const compiledLimit = 1000;

/**
 * The rule that a tool's `inputSchema` declares. A malformed mapping denies its tool: to fall back to the default
 * mapping would ask another question than the author meant.
 */
export function ruleOfSchema(inputSchema: unknown): ToolRule {
  const declared = isObject(inputSchema) ? inputSchema[mappingMember] : undefined;
  if (declared === undefined) return inputSchema === undefined ? unknownTool : { source: 'default' };
  const key = JSON.stringify(declared);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const rule = compileRule(declared);
  if (compiled.size >= compiledLimit) compiled.clear();
  compiled.set(key, rule);
  return rule;
}

function compileRule(declared: unknown): ToolRule {
  try {
    return { source: 'declared', mapping: compileMapping(declared), scopes: [] };
  } catch (error) {
    if (error instanceof PortcullisError) return { source: 'malformed', error };
    throw error;
  }
}

/**
 * Validates a call's arguments, so that what is authorized is what the handler gets.
 *
 * @throws PortcullisError `mapping_error`, which names the first field at fault
 */
export async function validateArguments(schema: ArgumentsSchema | undefined, args: unknown): Promise<unknown> {
  if (schema === undefined) return args;
  const result = await schema['~standard'].validate(args ?? {});
  if (result.issues === undefined) return result.value;
  const [issue] = result.issues;
  const path = (issue?.path ?? [])
    .map((segment) => String(typeof segment === 'object' ? segment.key : segment))
    .join('.');
  const field = path === '' ? 'arguments' : `arguments.${path}`;
  throw new PortcullisError('mapping_error', `${field}: ${issue?.message ?? 'is not valid'}`, { data: { field } });
}
