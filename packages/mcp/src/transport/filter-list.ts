import type { Enforcer } from '../enforce/enforcer.js';
import type { Exchange } from '../enforce/exchange.js';
import type { Question } from '../mapping/question.js';
import { isObject } from '../message.js';
import type { ToolRule } from '../tool/catalog.js';

/** What a list is filtered with. */
export interface ListFilter {
  readonly enforcer: Enforcer;
  readonly exchange: Exchange;
  readonly ruleOf: (name: string, definition: unknown) => ToolRule;
  /** Whether the answer is of the 2026-07-28 revision, whose lists say who may cache them. */
  readonly modern: boolean;
}

/**
 * Leaves in a list only what the caller could use, by one batch question. An answer of any other method is handed
 * back as it is.
 *
 * @throws PortcullisError `pdp_unavailable`: a list that cannot be filtered is not shown
 */
export async function filterList(method: string, result: unknown, filter: ListFilter): Promise<unknown> {
  if (!isObject(result)) return result;
  switch (method) {
    case 'tools/list':
      return { ...result, ...(await filterTools(result['tools'], filter)), ...privately(filter) };
    case 'resources/list':
      return {
        ...result,
        ...(await filterBy('resources', 'uri', 'resource', 'resources/read', result, filter)),
        ...privately(filter),
      };
    case 'prompts/list':
      return {
        ...result,
        ...(await filterBy('prompts', 'name', 'prompt', 'prompts/get', result, filter)),
        ...privately(filter),
      };
    case 'resources/templates/list':
      return { ...result, ...(await filterTemplates(result['resourceTemplates'], filter)), ...privately(filter) };
    default:
      return result;
  }
}

/** A list made for one caller is nobody else's to cache. */
function privately({ modern }: ListFilter): Readonly<Record<string, unknown>> {
  return modern ? { cacheScope: 'private' } : {};
}

async function filterTools(
  tools: unknown,
  { enforcer, exchange, ruleOf }: ListFilter,
): Promise<{ readonly tools: readonly unknown[] }> {
  const listed = named(tools, 'name');
  const rules = new Map(listed.map(([name, definition]) => [name, ruleOf(name, definition)]));
  const visible = await enforcer.visibleTools(rules, exchange.context, exchange.signal);
  return {
    tools: listed
      .filter(([name]) => visible.has(name))
      .map(([name, definition]) => withMapping(definition, rules.get(name))),
  };
}

/** A mapping that was given in code travels with the tool, as a declared one does. */
function withMapping(definition: Readonly<Record<string, unknown>>, rule: ToolRule | undefined): unknown {
  const publish = rule?.source === 'typed' || rule?.source === 'declared' ? rule.publish : undefined;
  if (publish === undefined) return definition;
  const schema = isObject(definition['inputSchema']) ? definition['inputSchema'] : { type: 'object' };
  return { ...definition, inputSchema: { ...schema, 'x-authzen-mapping': publish } };
}

async function filterBy(
  list: string,
  member: string,
  type: string,
  action: string,
  result: Readonly<Record<string, unknown>>,
  { enforcer, exchange }: ListFilter,
): Promise<Readonly<Record<string, unknown>>> {
  const listed = named(result[list], member);
  const questions = listed.map(([id]): Question => ({ action: { name: action }, resource: { type, id } }));
  const allowed = await enforcer.allowed(questions, exchange.context, exchange.signal);
  return { [list]: listed.filter((_item, index) => allowed[index] === true).map(([, definition]) => definition) };
}

/** A template stands for resources that are not known yet: it is shown unless none could ever be read. */
async function filterTemplates(
  templates: unknown,
  { enforcer, exchange }: ListFilter,
): Promise<Readonly<Record<string, unknown>>> {
  const listed = named(templates, 'uriTemplate');
  if (listed.length === 0) return { resourceTemplates: [] };
  const possible = await enforcer.possible(
    { kind: 'resource', action: 'resources/read', attr: undefined },
    exchange.context,
    exchange.signal,
  );
  return { resourceTemplates: possible ? listed.map(([, definition]) => definition) : [] };
}

/** The items that have a name to ask about; one without cannot be used and is not shown. */
function named(items: unknown, member: string): readonly (readonly [string, Readonly<Record<string, unknown>>])[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((item: unknown) => {
    const name = isObject(item) ? item[member] : undefined;
    return isObject(item) && typeof name === 'string' ? [[name, item] as const] : [];
  });
}
