import { PortcullisError, type AttributeValue, type Attributes, type TenantContext } from '@portcullis/core';
import { z } from 'zod';
import { compileExpression, literal, type Expression, type ExpressionInput } from './expression.js';
import type { Question } from './question.js';

/** The member of a tool's `inputSchema` that declares its mapping. */
export const mappingMember = 'x-authzen-mapping';

const properties = z.record(z.string(), z.json());
const subjectSchema = z.strictObject({
  type: z.string().optional(),
  id: z.string().optional(),
  properties: properties.optional(),
});
const actionSchema = z.strictObject({ name: z.string(), properties: properties.optional() });
const resourceSchema = z.strictObject({ type: z.string(), id: z.string(), properties: properties.optional() });
const evaluationSchema = z.strictObject({
  subject: subjectSchema.optional(),
  action: actionSchema,
  resource: resourceSchema,
  context: properties.optional(),
});
const evaluationsSchema = z.strictObject({
  subject: subjectSchema.optional(),
  action: actionSchema.optional(),
  resource: resourceSchema.optional(),
  context: properties.optional(),
  evaluations: z
    .array(
      z.strictObject({
        action: actionSchema.optional(),
        resource: resourceSchema.optional(),
        context: properties.optional(),
      }),
    )
    .min(1)
    .max(50),
});
const mappingSchema = z.union([
  z.strictObject({ evaluation: evaluationSchema }),
  z.strictObject({ evaluations: evaluationsSchema }),
]);

/** A tool's `x-authzen-mapping`, as it travels in `tools/list`. */
export type DeclaredMapping = z.infer<typeof mappingSchema>;

/** A declared mapping, ready to be evaluated. */
export interface CompiledMapping {
  /** One entry for each question that has to be permitted. */
  readonly questions: readonly CompiledQuestion[];
  readonly subject: {
    readonly type: Expression;
    readonly id: Expression | undefined;
    readonly properties: Expression | undefined;
  };
}

/** One question of a declared mapping. */
export interface CompiledQuestion {
  readonly action: Expression;
  readonly actionProperties: Expression | undefined;
  readonly type: Expression;
  readonly id: Expression;
  readonly properties: Expression | undefined;
  readonly context: Expression | undefined;
}

/**
 * Compiles a declared mapping: exactly one of `evaluation` and `evaluations`.
 *
 * @param declared - the value of `inputSchema["x-authzen-mapping"]`
 * @throws PortcullisError `mapping_error`, which names the member at fault
 * @example
 * ```text
 * const mapping = compileMapping({
 *   evaluation: {
 *     action: { name: 'read' },
 *     resource: { type: 'document', id: '$params.arguments.id' },
 *     context: { agent: '$token.?client_id' },
 *   },
 * });
 * ```
 * @see COAZ-MCP, "Declared mappings"; OpenID AuthZEN 1.0, section 7.1.1 (default values)
 */
export function compileMapping(declared: unknown): CompiledMapping {
  const parsed = mappingSchema.safeParse(declared);
  if (!parsed.success) {
    throw new PortcullisError('mapping_error', `${mappingMember} is malformed`, {
      data: { field: mappingMember },
      detail: z.prettifyError(parsed.error),
    });
  }
  if ('evaluation' in parsed.data) {
    const { subject, ...question } = parsed.data.evaluation;
    return { subject: compileSubject(subject), questions: [compileQuestion(question, 'evaluation')] };
  }
  const { subject, evaluations, ...defaults } = parsed.data.evaluations;
  return {
    subject: compileSubject(subject),
    questions: evaluations.map((entry, index) => {
      const field = `evaluations.evaluations[${String(index)}]`;
      const action = entry.action ?? defaults.action;
      const resource = entry.resource ?? defaults.resource;
      if (action === undefined || resource === undefined) {
        throw new PortcullisError('mapping_error', `${field}: needs an action and a resource`, { data: { field } });
      }
      return compileQuestion({ action, resource, context: entry.context ?? defaults.context }, field);
    }),
  };
}

function compileSubject(subject: z.infer<typeof subjectSchema> | undefined): CompiledMapping['subject'] {
  return {
    type: compileExpression(subject?.type ?? 'identity', 'subject.type'),
    id: subject?.id === undefined ? undefined : compileExpression(subject.id, 'subject.id'),
    properties: subject?.properties === undefined ? undefined : compileTree(subject.properties, 'subject.properties'),
  };
}

function compileQuestion(
  question: {
    action: z.infer<typeof actionSchema>;
    resource: z.infer<typeof resourceSchema>;
    context?: z.infer<typeof properties> | undefined;
  },
  field: string,
): CompiledQuestion {
  const { action, resource, context } = question;
  return {
    action: compileExpression(action.name, `${field}.action.name`),
    actionProperties:
      action.properties === undefined ? undefined : compileTree(action.properties, `${field}.action.properties`),
    type: compileExpression(resource.type, `${field}.resource.type`),
    id: compileExpression(resource.id, `${field}.resource.id`),
    properties:
      resource.properties === undefined ? undefined : compileTree(resource.properties, `${field}.resource.properties`),
    context: context === undefined ? undefined : compileTree(context, `${field}.context`),
  };
}

/** Compiles all strings inside a JSON value. */
function compileTree(value: AttributeValue, field: string): Expression {
  if (typeof value === 'string') return compileExpression(value, field);
  if (Array.isArray(value)) {
    const items = (value as readonly AttributeValue[]).map((item, index) =>
      compileTree(item, `${field}[${String(index)}]`),
    );
    return {
      paramsPaths: items.flatMap((item) => item.paramsPaths),
      evaluate: (input) => items.map((item) => item.evaluate(input) ?? null),
    };
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, member]) => [name, compileTree(member, `${field}.${name}`)] as const,
    );
    return {
      paramsPaths: members.flatMap(([, member]) => member.paramsPaths),
      evaluate: (input) => {
        const evaluated: [string, AttributeValue][] = [];
        for (const [name, member] of members) {
          const result = member.evaluate(input);
          if (result !== undefined) evaluated.push([name, result]);
        }
        return Object.fromEntries(evaluated);
      },
    };
  }
  return literal(value);
}

/**
 * Evaluates a declared mapping for one call.
 *
 * @throws PortcullisError `mapping_error` when an expression fails, gives the wrong type, or names a subject that is
 * not the token's
 */
export function evaluateMapping(
  mapping: CompiledMapping,
  input: ExpressionInput,
  context: TenantContext,
): readonly Question[] {
  const subject = evaluateSubject(mapping, input, context);
  return mapping.questions.map((question) => ({
    action: {
      name: text(question.action, input, 'action.name'),
      properties: attributes(question.actionProperties, input, 'action.properties'),
    },
    resource: {
      type: text(question.type, input, 'resource.type'),
      id: identifier(question.id, input, 'resource.id'),
      properties: attributes(question.properties, input, 'resource.properties'),
    },
    context: withoutAgent(attributes(question.context, input, 'context'), context),
    subject,
  }));
}

/** A subject that a mapping names has to be the one that the token was validated for. */
function evaluateSubject(
  mapping: CompiledMapping,
  input: ExpressionInput,
  context: TenantContext,
): Attributes | undefined {
  const { identity } = context;
  text(mapping.subject.type, input, 'subject.type');
  if (mapping.subject.id !== undefined) {
    const id = text(mapping.subject.id, input, 'subject.id');
    if (id !== identity.sub && id !== identity.subject && id !== identity.key) {
      throw new PortcullisError('mapping_error', 'subject.id: is not the subject of the token', {
        data: { field: 'subject.id' },
      });
    }
  }
  return attributes(mapping.subject.properties, input, 'subject.properties');
}

/** The agent is a fact about the token, and the principal carries it; a mapping cannot say otherwise. */
function withoutAgent(values: Attributes | undefined, context: TenantContext): Attributes | undefined {
  if (values === undefined || !Object.hasOwn(values, 'agent')) return values;
  const { agent, ...rest } = values;
  if (agent !== context.identity.clientId && agent !== context.identity.claims['client_id']) {
    throw new PortcullisError('mapping_error', 'context.agent: is not the client of the token', {
      data: { field: 'context.agent' },
    });
  }
  return rest;
}

function text(expression: Expression, input: ExpressionInput, field: string): string {
  const value = expression.evaluate(input);
  if (typeof value === 'string' && value !== '') return value;
  throw new PortcullisError('mapping_error', `${field}: must be a non-empty string`, { data: { field } });
}

/** Ids may be numbers in a tool's arguments; they are compared as text. */
function identifier(expression: Expression, input: ExpressionInput, field: string): string {
  const value = expression.evaluate(input);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'string' && value !== '') return value;
  throw new PortcullisError('mapping_error', `${field}: must be a non-empty string or an integer`, { data: { field } });
}

function attributes(expression: Expression | undefined, input: ExpressionInput, field: string): Attributes | undefined {
  const value = expression?.evaluate(input);
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Attributes;
  throw new PortcullisError('mapping_error', `${field}: must be an object`, { data: { field } });
}
