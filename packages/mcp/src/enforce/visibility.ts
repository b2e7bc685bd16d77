import type { AttributeValue, Attributes, TenantContext } from '@portcullis/core';
import type { CompiledQuestion } from '../mapping/declared.js';
import { evaluateMapping } from '../mapping/declared.js';
import type { Expression, ExpressionInput } from '../mapping/expression.js';
import type { Question } from '../mapping/question.js';
import type { ToolRule } from '../tool/catalog.js';
import type { PlanQuestion } from './ask.js';
import { wholeKind } from './questions.js';

/**
 * What can be asked of a tool before its arguments are known.
 *
 * `check` questions depend on the identity alone and are exact. `plan` questions depend on arguments: the tool is
 * shown unless the plan is that no arguments could ever be allowed (a rule on arguments that is evaluated without
 * them denies everything, silently).
 */
export interface VisibilityQuestions {
  readonly check: readonly Question[];
  readonly plan: readonly PlanQuestion[];
}

/** The identity-level questions of a tool. A malformed mapping has none that could pass: `undefined` hides the tool. */
export function visibilityQuestions(
  name: string,
  rule: ToolRule,
  context: TenantContext,
): VisibilityQuestions | undefined {
  switch (rule.source) {
    case 'malformed':
      return undefined;
    case 'default':
      return { check: [{ action: { name: 'tools/call' }, resource: { type: 'tool', id: name } }], plan: [] };
    case 'typed': {
      const { kind, action, resource } = rule.authorize;
      return resource === undefined
        ? { check: [{ action: { name: action }, resource: { type: kind, id: wholeKind } }], plan: [] }
        : { check: [], plan: [{ kind, action, attr: undefined }] };
    }
    case 'declared':
      return ofDeclared(name, rule.mapping, context);
  }
}

function ofDeclared(
  name: string,
  mapping: Extract<ToolRule, { source: 'declared' }>['mapping'],
  context: TenantContext,
): VisibilityQuestions {
  const input: ExpressionInput = { params: { name }, token: context.identity.claims };
  const known = mapping.questions.filter((question) => expressionsOf(question).every(isKnown));
  const unknown = mapping.questions.filter((question) => !known.includes(question));
  return {
    check: known.length === 0 ? [] : evaluateMapping({ ...mapping, questions: known }, input, context),
    plan: unknown.flatMap((question) => planOf(question, input)),
  };
}

/** Where even the kind or the action is in the arguments, nothing can be said of the identity alone. */
function planOf(question: CompiledQuestion, input: ExpressionInput): readonly PlanQuestion[] {
  if (!isKnown(question.type) || !isKnown(question.action)) return [];
  const kind = question.type.evaluate(input);
  const action = question.action.evaluate(input);
  if (typeof kind !== 'string' || typeof action !== 'string') return [];
  const attr =
    question.properties !== undefined && isKnown(question.properties) ? question.properties.evaluate(input) : undefined;
  return [{ kind, action, attr: isAttributes(attr) ? attr : undefined }];
}

function expressionsOf(question: CompiledQuestion): readonly Expression[] {
  return [
    question.action,
    question.type,
    question.id,
    question.actionProperties,
    question.properties,
    question.context,
  ].filter((expression) => expression !== undefined);
}

/** Of all `params`, only the tool's name is known before a call. */
function isKnown(expression: Expression): boolean {
  return expression.paramsPaths.every((path) => path === 'params.name');
}

function isAttributes(value: AttributeValue | undefined): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
