import {
  PortcullisError,
  type Action,
  type Attributes,
  type AttributeValue,
  type ResourceQuestion,
  type TenantContext,
} from '@portcullis/core';

/**
 * One authorization question in AuthZEN's words: may the subject do the action on the resource, in this context?
 *
 * @see OpenID AuthZEN Authorization API 1.0, section 5
 */
export interface Question {
  readonly action: { readonly name: Action; readonly properties?: Attributes | undefined };
  readonly resource: { readonly type: string; readonly id: string; readonly properties?: Attributes | undefined };
  /** Beside the agent, which the principal carries as `client`. */
  readonly context?: Attributes | undefined;
  /** Extra attributes of the subject. */
  readonly subject?: Attributes | undefined;
}

/** What the gate itself says of a resource; a mapping may not. */
const reserved = ['context', 'action'] as const;

/**
 * Puts a question into the vocabulary of the PDP, in the caller's tenant.
 *
 * A resource is the tenant's own unless its properties say otherwise; one that names another tenant is refused here,
 * before the PDP is asked: isolation does not rest on a policy remembering to compare.
 *
 * @throws PortcullisError `cross_tenant`; `mapping_error` for an empty kind or id, or a reserved property
 */
export function toResourceQuestion(question: Question, context: TenantContext): ResourceQuestion {
  const { resource, action } = question;
  requireText(resource.type, 'resource.type');
  requireText(resource.id, 'resource.id');
  requireText(action.name, 'action.name');
  const properties: Record<string, AttributeValue> = { ...resource.properties };
  const owner = properties['tenant'];
  if (owner !== undefined && owner !== context.tenant.id) {
    throw new PortcullisError('cross_tenant', undefined, {
      detail: `${resource.type} ${JSON.stringify(resource.id.slice(0, 200))} is not of tenant ${context.tenant.id}`,
    });
  }
  for (const name of reserved) {
    if (Object.hasOwn(properties, name)) {
      throw new PortcullisError('mapping_error', `resource.properties: \`${name}\` is reserved`, {
        data: { field: `resource.properties.${name}` },
      });
    }
  }
  if (question.context !== undefined && Object.keys(question.context).length > 0)
    properties['context'] = question.context;
  if (action.properties !== undefined) properties['action'] = action.properties;
  return {
    resource: { kind: resource.type, id: resource.id, tenant: context.tenant.id, attr: properties },
    actions: [action.name],
  };
}

function requireText(value: string, field: string): void {
  if (value === '') throw new PortcullisError('mapping_error', `${field} is empty`, { data: { field } });
}
