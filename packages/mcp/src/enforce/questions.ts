import { PortcullisError, principalOf, type TenantContext } from '@portcullis/core';
import { evaluateMapping } from '../mapping/declared.js';
import type { Question } from '../mapping/question.js';
import { methodRow } from '../mapping/table.js';
import { isObject, type RpcRequest } from '../message.js';
import { validateArguments, type ToolRule } from '../tool/catalog.js';

/** How a resource function reaches the tenant's storage. */
export type StorageFor = (context: TenantContext) => unknown;

/** The id that stands for a kind as a whole: a list, or something that does not exist yet. */
export const wholeKind = '*';

/**
 * The questions that must all be permitted for a request, beside those of a tool's own mapping.
 *
 * @returns `undefined` for what passes without a question
 * @throws PortcullisError `method_unknown`, `mapping_error`
 */
export function methodQuestions(request: RpcRequest, context: TenantContext): readonly Question[] | undefined {
  const row = methodRow(request.method);
  if (row === undefined) {
    throw new PortcullisError('method_unknown', undefined, {
      detail: `no rule for method ${JSON.stringify(request.method.slice(0, 100))}`,
    });
  }
  if (row === 'pass') return undefined;
  const params = request.params ?? {};
  const question = row(params, context);
  return request.method === 'subscriptions/listen' ? [question, ...listenedResources(params)] : [question];
}

/** Each URI that a listen request subscribes to is a subscription of its own. */
function listenedResources(params: Readonly<Record<string, unknown>>): readonly Question[] {
  const filters = isObject(params['notifications']) ? params['notifications'] : {};
  const uris = filters['resourceSubscriptions'];
  if (uris === undefined) return [];
  if (!Array.isArray(uris) || !uris.every((uri) => typeof uri === 'string' && uri !== '')) {
    const field = 'params.notifications.resourceSubscriptions';
    throw new PortcullisError('mapping_error', `${field}: must be a list of URIs`, { data: { field } });
  }
  return uris.map((uri: string) => ({
    action: { name: 'resources/subscribe' },
    resource: { type: 'resource', id: uri },
  }));
}

/**
 * The questions of a tool call: the tool's own mapping where it has one, else the default.
 *
 * @throws PortcullisError `mapping_error`; `denied` when the resource does not exist
 */
export async function toolQuestions(
  rule: ToolRule,
  request: RpcRequest,
  context: TenantContext,
  storageFor: StorageFor,
  signal: AbortSignal | undefined,
): Promise<readonly Question[]> {
  switch (rule.source) {
    case 'default':
      return methodQuestions(request, context) ?? [];
    case 'malformed':
      throw rule.error;
    case 'declared':
      return evaluateMapping(rule.mapping, { params: request.params ?? {}, token: context.identity.claims }, context);
    case 'typed': {
      const { authorize } = rule;
      const args = await validateArguments(rule.schema, request.params?.['arguments']);
      const resource =
        authorize.resource === undefined
          ? { id: wholeKind, attr: undefined }
          : await authorize.resource(args, {
              tenant: context.tenant,
              principal: principalOf(context),
              storage: storageFor(context),
              signal,
            });
      if (resource === undefined)
        throw new PortcullisError('denied', undefined, { detail: 'there is no such resource' });
      return [
        {
          action: { name: authorize.action },
          resource: { type: authorize.kind, id: resource.id, properties: resource.attr },
        },
      ];
    }
  }
}
