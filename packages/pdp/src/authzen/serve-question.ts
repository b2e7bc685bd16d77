import {
  isTenantId,
  PortcullisError,
  type Action,
  type Attributes,
  type AttributeValue,
  type Principal,
  type Resource,
} from '@portcullis/core';
import { z } from 'zod';
import { whyUnsayable } from '../client/why-unsayable.js';
import { attributesSchema, noRole, reservedPrefix, wireNames, type WireResource, type WireSubject } from './wire.js';

// Strict: a member that we do not know may be one that a policy is meant to see.
const subjectSchema = z.strictObject({
  type: z.string().min(1),
  id: z.string().min(1),
  properties: attributesSchema.optional(),
});
const actionSchema = z.strictObject({ name: z.string().min(1), properties: attributesSchema.optional() });
const resourceSchema = z.strictObject({
  type: z.string().min(1),
  id: z.string().min(1),
  properties: attributesSchema.optional(),
});
const entry = {
  subject: subjectSchema.optional(),
  action: actionSchema.optional(),
  resource: resourceSchema.optional(),
  context: attributesSchema.optional(),
};

/** How many of the evaluations are answered. @see AuthZEN Authorization API 1.0, "Evaluations semantics" */
const semanticSchema = z.enum(['execute_all', 'deny_on_first_deny', 'permit_on_first_permit']);
export type Semantic = z.infer<typeof semanticSchema>;

const singleSchema = z.strictObject(entry);
const batchSchema = z.strictObject({
  ...entry,
  evaluations: z.array(z.strictObject(entry)).optional(),
  // The specification lets a PDP have options of its own, and so others' are no error.
  options: z.object({ evaluations_semantic: semanticSchema.default('execute_all') }).optional(),
});
type Entry = z.infer<typeof singleSchema>;

/** One evaluation, in the words of the port. */
export interface ServedQuestion {
  readonly principal: Principal;
  readonly scope: string;
  readonly policyVersion: string | undefined;
  readonly resource: Resource;
  readonly action: Action;
  /** Whether the caller wants to know which policy decides. */
  readonly wantsMeta: boolean;
}

/** A request to one of the two endpoints. */
export interface ServedRequest {
  readonly questions: readonly ServedQuestion[];
  /** Absent where the answer is that of a single evaluation. */
  readonly semantic: Semantic | undefined;
}

/** What is taken. */
export interface ServedLimits {
  readonly subjectTypes: readonly string[];
  readonly maxEvaluations: number;
}

/**
 * Reads the body of a single evaluation.
 *
 * @throws PortcullisError `request_invalid`, which names the member at fault
 */
export function readSingleRequest(body: AttributeValue, limits: ServedLimits): ServedRequest {
  return { questions: [toQuestion(parse(singleSchema, body), limits)], semantic: undefined };
}

/**
 * Reads the body of a batch: what an entry lacks, it has from the top. Without entries it is a single evaluation.
 *
 * @throws PortcullisError `request_invalid`, which names the member at fault
 */
export function readBatchRequest(body: AttributeValue, limits: ServedLimits): ServedRequest {
  const { evaluations = [], options, ...defaults } = parse(batchSchema, body);
  if (evaluations.length === 0) return { questions: [toQuestion(defaults, limits)], semantic: undefined };
  if (evaluations.length > limits.maxEvaluations)
    throw invalid(`at most ${String(limits.maxEvaluations)} evaluations are taken at one time`);
  return {
    questions: evaluations.map((one) => toQuestion({ ...defaults, ...one }, limits)),
    semantic: options?.evaluations_semantic ?? 'execute_all',
  };
}

function parse<T>(schema: z.ZodType<T>, body: AttributeValue): T {
  const read = schema.safeParse(body);
  if (read.success) {
    // Of two such texts or numbers an engine would make one, and answer about somebody else.
    const unsayable = whyUnsayable(body);
    if (unsayable !== undefined) throw invalid(`the body holds what no engine can be told: ${unsayable}`);
    return read.data;
  }
  const [issue] = read.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : `\`${issue.path.join('.')}\``;
  throw invalid(`${where} is malformed`, issue?.message);
}

function toQuestion({ subject, action, resource, context = {} }: Entry, limits: ServedLimits): ServedQuestion {
  if (subject === undefined) throw invalid('`subject` is missing');
  if (action === undefined) throw invalid('`action` is missing');
  if (resource === undefined) throw invalid('`resource` is missing');
  // The port knows people by their ids alone: `user` 1 must not pass for `service` 1.
  if (!limits.subjectTypes.includes(subject.type)) throw invalid('`subject.type` is not one that is served here');
  const tenant = resource.properties?.['tenant'];
  if (!isTenantId(tenant)) throw invalid('`resource.properties.tenant` has to name the tenant that owns the resource');
  const { attr, roles } = subjectProperties(subject);
  return {
    principal: { id: subject.id, roles, attr },
    // Without its scope a question would pass by the policies of the tenant, which only ever narrow.
    scope: agreed(wireNames.scope, subject, resource) ?? tenant,
    policyVersion: agreed(wireNames.policyVersion, subject, resource),
    resource: {
      kind: resource.type,
      id: resource.id,
      tenant,
      attr: resourceAttributes(resource, action.properties, context),
    },
    action: action.name,
    wantsMeta: context[wireNames.includeMeta] === true,
  };
}

function subjectProperties({ properties = {} }: WireSubject): { attr: Attributes; roles: readonly string[] } {
  const { [wireNames.roles]: said = [], ...rest } = properties;
  const roles = z.array(z.string().min(1)).safeParse(said);
  if (!roles.success) throw invalid(`\`subject.properties["${wireNames.roles}"]\` has to be a list of roles`);
  const isNone = roles.data.length === 1 && roles.data[0] === noRole;
  return {
    attr: ownAttributes(rest, [wireNames.scope, wireNames.policyVersion], 'subject.properties'),
    roles: isNone ? [] : roles.data,
  };
}

/** The action's properties and the context go where policies find those of a guarded MCP call, and nothing is dropped. */
function resourceAttributes(
  { properties = {} }: WireResource,
  actionProperties: Attributes | undefined,
  context: Attributes,
): Attributes {
  const { tenant: _tenant, ...rest } = properties;
  const attr = ownAttributes(rest, [wireNames.scope, wireNames.policyVersion], 'resource.properties');
  const asked = ownAttributes(context, [wireNames.includeMeta, wireNames.requestId], 'context');
  const added: Record<string, AttributeValue> = {};
  if (actionProperties !== undefined) added['action'] = actionProperties;
  if (Object.keys(asked).length > 0) added['context'] = asked;
  for (const name of Object.keys(added))
    if (Object.hasOwn(attr, name)) throw invalid(`\`${name}\` is said twice, also in \`resource.properties\``);
  return { ...attr, ...added };
}

/** Drops the names that were read. Any other reserved one asks for something that is not done here. */
function ownAttributes(said: Attributes, read: readonly string[], where: string): Attributes {
  const own = Object.entries(said).filter(([name]) => !read.includes(name));
  for (const [name] of own)
    if (name.startsWith(reservedPrefix)) throw invalid(`\`${where}\` has a reserved name that is not known here`);
  return Object.fromEntries(own);
}

/** A scope or a version of the subject and one of the resource are one and the same to the port. */
function agreed(name: string, subject: WireSubject, resource: WireResource): string | undefined {
  const said = [subject.properties?.[name], resource.properties?.[name]].filter((value) => value !== undefined);
  const [first] = said;
  if (first === undefined) return undefined;
  if (typeof first !== 'string' || said.some((value) => value !== first))
    throw invalid(`\`${name}\` has to be one string, the same for the subject and the resource`);
  return first;
}

function invalid(message: string, detail?: string): PortcullisError {
  return new PortcullisError('request_invalid', message, detail === undefined ? {} : { detail });
}
