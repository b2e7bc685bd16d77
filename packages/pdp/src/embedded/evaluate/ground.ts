import type { ByName } from '../compile/by-name.js';
import { policyName, sanitized } from '../compile/names.js';
import { nearestScope } from '../compile/scopes.js';
import type { ByRole, KindRules, PolicySchemas, PrincipalScope, ResourceScope, Table } from '../compile/table.js';
import { isKnown, type Payer } from './look-up.js';

/** The version that role policies are of. */
const rolePolicyVersion = 'default';

/** What of the table can concern the questions of a scope and a policy version. */
export interface Place {
  readonly table: Table;
  readonly version: string;
  /** The most specific scopes with policies; the others are above them. */
  readonly principalScope: PrincipalScope | undefined;
  readonly resourceScope: ResourceScope | undefined;
  /** The roles that a role stands for in the scope. */
  readonly parentRoles: ReadonlyMap<string, readonly string[]> | undefined;
  /** Whether any principal policy can concern a question. */
  readonly hasPrincipalPolicy: boolean;
  /** What is known of it, by kind. */
  readonly grounds: Map<string, Ground>;
}

/** Where a question is answered: what of the table can concern its kind. */
export interface Ground {
  readonly place: Place;
  /** What the most specific scope says of the kind. */
  readonly actions: ByName<ByRole> | undefined;
  /** Whether any resource policy can concern the question: without one, there is none to name. */
  readonly hasResourcePolicy: boolean;
  /** The name of the resource policy that the question is for; empty without any. */
  readonly resourcePolicy: string;
  readonly schemas: PolicySchemas | undefined;
  readonly kind: string;
}

/** How many places and grounds are remembered: far more than are asked for in turns, and not more than some 10 MiB. */
const mostRemembered = 50_000;
/** Longer names, in UTF-16 units, are not remembered: whoever may make them up could fill the memory with them. */
const longest = 100;

/**
 * Finds out what of the table can concern a question. It depends on the scope, the version and the kind alone, which are
 * few: what was found is remembered.
 */
export class Grounds {
  readonly table: Table;
  /** By version and scope. */
  readonly #places = new Map<string, Map<string, Place>>();
  /** Those that several scopes share: of most tenants there are no policies. */
  readonly #shared = new Map<string, Place>();
  readonly #most: number;
  #remembered = 0;

  constructor(table: Table, most = mostRemembered) {
    this.table = table;
    this.#most = most;
  }

  /** The place of a scope and a version that were asked for before: they are well formed, then. */
  knownPlace(scope: string, version: string): Place | undefined {
    return this.#places.get(version)?.get(scope);
  }

  /** Where questions of a scope and a version are answered; both have to be well formed. */
  placeOf(scope: string, version: string): Place {
    return this.knownPlace(scope, version) ?? this.#findPlace(scope, version);
  }

  /**
   * Where a question is answered.
   *
   * @param place - one that these grounds gave
   * @param payer - pays where patterns have to be tried
   * @throws Unanswerable when the request has cost too much
   */
  groundOf(place: Place, kind: string, payer: Payer): Ground {
    return place.grounds.get(kind) ?? this.#findGround(place, kind, payer);
  }

  #findPlace(scope: string, version: string): Place {
    const place = placeIn(this.table, scope, version);
    const { principalScope, resourceScope, parentRoles } = place;
    // No version and no name of a scope has a space in it, and none is a dash.
    const names = [principalScope?.name ?? '-', resourceScope?.name ?? '-', parentRoles === undefined ? '-' : scope];
    const key = `${version} ${names.join(' ')}`;
    const found = this.#shared.get(key) ?? place;
    if (scope.length > longest || version.length > longest) return found;
    this.#makeRoom();
    this.#shared.set(key, found);
    const scopes = this.#places.get(version) ?? new Map<string, Place>();
    this.#places.set(version, scopes.set(scope, found));
    return found;
  }

  #findGround(place: Place, kind: string, payer: Payer): Ground {
    const found = groundIn(place, kind, payer);
    if (kind.length > longest) return found;
    this.#makeRoom();
    place.grounds.set(kind, found);
    return found;
  }

  /** Starts afresh where there is too much: a fleet of tenants may come by only once. */
  #makeRoom(): void {
    this.#remembered += 1;
    if (this.#remembered <= this.#most) return;
    for (const { grounds } of this.#shared.values()) grounds.clear();
    this.#places.clear();
    this.#shared.clear();
    this.#remembered = 1;
  }
}

function placeIn(table: Table, scope: string, version: string): Place {
  const principalScope = nearestScope(table.principalScopes, scope);
  const resourceScope = nearestScope(table.resourceScopes, scope);
  return {
    table,
    version,
    principalScope,
    resourceScope,
    parentRoles:
      resourceScope?.name === scope && resourceScope.parentRoles.size > 0 ? resourceScope.parentRoles : undefined,
    hasPrincipalPolicy: hasVersion(principalScope, version),
    grounds: new Map(),
  };
}

function groundIn(place: Place, asked: string, payer: Payer): Ground {
  const { resourceScope, version } = place;
  // The table's names are as Cerbos writes them: a kind that is found by its own is such a name.
  const found = resourceScope === undefined ? undefined : kindRulesIn(resourceScope, version, asked);
  const kind = found === undefined ? sanitized(asked) : asked;
  const rules =
    found !== undefined || resourceScope === undefined || kind === asked
      ? found
      : kindRulesIn(resourceScope, version, kind);
  const hasResourcePolicy = rules !== undefined || hasResourcePolicyIn(resourceScope, version, kind, payer);
  return {
    place,
    actions: rules?.actions,
    hasResourcePolicy,
    resourcePolicy:
      rules?.policy ?? (hasResourcePolicy ? policyName('resource', kind, version, resourceScope?.name ?? '') : ''),
    schemas: rules?.schemas,
    kind,
  };
}

/** What the resource policy of a kind says in one scope. */
export function kindRulesIn({ versions }: ResourceScope, version: string, kind: string): KindRules | undefined {
  return versions.get(version)?.get(kind);
}

/** Whether role policies count: they are all of one version. */
export function takesRolePolicies({ place }: Ground): boolean {
  return place.version === rolePolicyVersion;
}

/** Whether a principal policy of a scope speaks of the kind, whoever's it is. */
export function isKindOfPrincipals({ place: { table, version }, kind }: Ground, scope: string, payer: Payer): boolean {
  const kinds = table.principalScopes.get(scope)?.versions.get(version)?.kinds;
  return kinds !== undefined && isKnown(kinds, kind, payer);
}

function hasResourcePolicyIn(from: ResourceScope | undefined, version: string, kind: string, payer: Payer): boolean {
  for (let scope = from; scope !== undefined; scope = scope.above) {
    if (kindRulesIn(scope, version, kind) !== undefined) return true;
    if (version === rolePolicyVersion && isKnown(scope.roleKinds, kind, payer)) return true;
  }
  return false;
}

function hasVersion(from: PrincipalScope | undefined, version: string): boolean {
  for (let scope = from; scope !== undefined; scope = scope.above) if (scope.versions.has(version)) return true;
  return false;
}
