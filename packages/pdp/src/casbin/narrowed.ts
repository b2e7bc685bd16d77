import type { RolePermission } from '@portcullis/core';
import { wrongWithValue } from './checked-lines.js';

/** Who may do what: the fields of a line for `rbacModel`, without its subject and tenant. */
export interface Right {
  readonly object: string;
  readonly action: string;
  readonly effect: string;
}

/**
 * What permissions and parents' rights both allow, and what the parents are denied. Conditions are not looked at.
 *
 * @returns `rights`, absent if there are more than `max`; `unsaid`: what is wrong with a permission that was left out
 */
export function narrowed(
  permissions: readonly RolePermission[],
  parents: readonly Right[],
  max: number,
): { readonly rights: readonly Right[] | undefined; readonly unsaid: string | undefined } {
  const rights = new Map<string, Right>();
  let unsaid: string | undefined;
  const add = (right: Right): void => {
    rights.set(JSON.stringify([right.object, right.action, right.effect]), right);
  };
  for (const right of parents) if (right.effect === 'deny') add(right);
  for (const { resource, action } of permissions) {
    const wrong = wrongWithValue(resource) ?? wrongWithValue(action);
    if (wrong !== undefined) {
      unsaid = wrong;
      continue;
    }
    for (const right of parents) {
      const [object, act] = [common(resource, right.object), common(action, right.action)];
      if (right.effect === 'allow' && object !== undefined && act !== undefined)
        add({ object, action: act, effect: 'allow' });
      if (rights.size > max) return { rights: undefined, unsaid };
    }
  }
  return { rights: [...rights.values()], unsaid };
}

/** What two names have in common, of which `*` is every name. */
function common(one: string, other: string): string | undefined {
  if (one === '*' || one === other) return other;
  return other === '*' ? one : undefined;
}
