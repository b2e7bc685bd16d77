import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { tenantId } from '@portcullis/core';
import { listContains, readAttribute, type Attributed } from './attributes.js';
import type { CheckedLine } from './checked-lines.js';
import { ask, SmallEnforcer, type Answer, type MatcherFunction } from './enforcer.js';
import { attributeFunction, containsFunction, matchFunctions } from './functions.js';
import { grouped } from './grouped.js';
import { refused } from './line.js';
import type { CheckedModel } from './model.js';
import { newRoom, roleGraph, roleManager, type Asking, type RoleGraph } from './roles.js';

/** How many lines the enforcers that are kept have on average, at most. */
const linesOfEnforcer = 20;

/** The lines of an enforcer, as a text that no others have. */
function listHash(tenant: string, lines: readonly CheckedLine[]): string {
  return createHash('sha256')
    .update(JSON.stringify([tenant, lines.map(({ order }) => order)]))
    .digest('base64');
}

/** Everything that is asked at one time: a subject or several, an object, an action, in one tenant. */
interface Asked {
  readonly tenant: string;
  readonly object: string;
  readonly action: string;
  /** What `r.sub` is. */
  readonly subject: string;
  /** The names that it stands for. */
  readonly subjects: readonly string[];
  readonly about: Attributed;
}

/** What was answered, and the line that decided. */
export interface Found {
  readonly allowed: boolean;
  readonly line: CheckedLine | undefined;
}

/** A whole set of policies, ready to be asked. It is never changed: a reload makes another one. */
export interface PolicySet {
  /** SHA-256 over the model and the lines. */
  readonly revision: string;
  ask(asked: Asked): Found;
  /** The objects that lines name in a tenant. */
  objectsIn(tenant: string): ReadonlySet<string>;
  /** Whether a name is what others become by a line `g` of the tenant. */
  isRole(tenant: string, name: string): boolean;
}

interface Small {
  readonly enforcer: SmallEnforcer;
  readonly lines: readonly CheckedLine[];
}

interface Domain {
  /** The lines `p`. */
  readonly lines: readonly CheckedLine[];
  /** The same by the object that they name. */
  readonly byObject: ReadonlyMap<string, readonly CheckedLine[]>;
  readonly roles: ReadonlyMap<string, RoleGraph>;
  /** What lines of the first role definition lead to. */
  readonly targets: ReadonlySet<string>;
}

interface PolicySetParts {
  readonly model: CheckedModel;
  readonly lines: readonly CheckedLine[];
  readonly functions: ReadonlyMap<string, MatcherFunction>;
  readonly sharedDomain: string | undefined;
  readonly maxEnforcers: number;
  /** Whether attributes are there and equal nothing. @defaultValue `false` */
  readonly isProbe?: boolean;
}

/**
 * An attribute whose value nothing else is. It breaks the type of functions on purpose: they answer true or false, and a
 * matcher may compare with either.
 */
const equalsNothing = (() => ({})) as unknown as MatcherFunction;

/**
 * Sorts lines by tenant. A tenant’s enforcers see its own lines and the shared ones, so that no line of another tenant
 * can ever match, whatever the matcher says.
 *
 * @throws PortcullisError `policies_invalid`, for circles of roles
 */
export function policySet(parts: PolicySetParts): PolicySet {
  const { model } = parts;
  const { shared, domains } = byTenant(parts);
  const inTenant = (tenant: string): Domain => domains.get(tenant) ?? shared;
  const asking: Asking & { about: Attributed | undefined } = { subjects: [], about: undefined };
  const functions = new Map<string, MatcherFunction>([...matchFunctionsOfLines, ...parts.functions]);
  if (parts.isProbe === true) {
    functions.set(attributeFunction, equalsNothing);
    functions.set(containsFunction, (list, value) => Array.isArray(list) && list.includes(value));
  } else
    functions.set(attributeFunction, ((path: string) => {
      if (asking.about === undefined) throw new TypeError('nothing is asked');
      return readAttribute(asking.about, path);
    }) as MatcherFunction);
  const matchers = new Map<unknown, unknown>();
  /** Which lines an object has, by a hash; ids come from callers, so nothing large is kept for each. */
  const listed = new LRUCache<string, string>({ max: parts.maxEnforcers });
  /** By that hash. Many lines count for many enforcers. */
  const smallOnes = new LRUCache<string, Small>({
    max: parts.maxEnforcers,
    maxSize: parts.maxEnforcers * linesOfEnforcer,
    sizeCalculation: ({ lines }) => Math.min(lines.length, parts.maxEnforcers * linesOfEnforcer),
  });

  function smallFor(tenant: string, object: string): Small | 'none' {
    // A tenant’s id has no NUL in it.
    const key = `${tenant}\0${object}`;
    const list = listed.get(key);
    const known = list === undefined ? undefined : list === 'none' ? list : smallOnes.get(list);
    if (known !== undefined) return known;
    const own = linesFor(tenant, object);
    // casbin asks a matcher about empty fields where there is no line: some matchers allow that.
    const hash = own.length === 0 ? 'none' : listHash(tenant, own);
    listed.set(key, hash);
    if (hash === 'none') return hash;
    const small = smallOnes.get(hash) ?? make(tenant, own);
    smallOnes.set(hash, small);
    return small;
  }

  /** The lines among which those that can match are. */
  function candidates(tenant: string, object: string): readonly CheckedLine[] {
    const own = inTenant(tenant);
    const places = own === shared ? [shared] : [shared, own];
    const { otherObjects } = model.matcher;
    const names = otherObjects === undefined ? undefined : new Set([object, ...otherObjects]);
    const found = places.flatMap(({ lines, byObject }) =>
      names === undefined ? lines : [...names].flatMap((name) => byObject.get(name) ?? []),
    );
    return ordered(found, model);
  }

  const fieldsOf = (line: CheckedLine, tenant: string): readonly string[] =>
    model.policy.map((name, at) => (name === 'dom' ? tenant : (line.values[at] ?? '')));

  function linesFor(tenant: string, object: string): readonly CheckedLine[] {
    return candidates(tenant, object).filter((line) => {
      const values = fieldsOf(line, tenant);
      const named = Object.fromEntries(model.policy.map((name, at) => [`p_${name}`, values[at] ?? '']));
      return model.matcher.concerns(named, object, tenant);
    });
  }

  function make(tenant: string, lines: readonly CheckedLine[]): Small {
    const { roles } = inTenant(tenant);
    const managers = new Map(model.roles.map((name) => [name, roleManager(roles.get(name), asking)]));
    const fields = lines.map((line) => fieldsOf(line, tenant));
    return { enforcer: new SmallEnforcer({ model, lines: fields, functions, roles: managers, matchers }), lines };
  }

  return {
    revision: revisionOf(model, parts.lines),
    objectsIn: (tenant) => new Set([...inTenant(tenant).byObject.keys(), ...shared.byObject.keys()]),
    isRole: (tenant, name) => inTenant(tenant).targets.has(name),
    ask({ tenant, object, action, subject, subjects, about }) {
      // A function of the matcher that asks again would leave its own subjects behind: a deny could become an allow.
      if (asking.about !== undefined) throw new TypeError('a function for the matcher asks the engine that asks it');
      const small = smallFor(tenant, object);
      if (small === 'none') return { allowed: false, line: undefined };
      const fields: Readonly<Record<string, string>> = { sub: subject, dom: tenant, obj: object, act: action };
      asking.subjects = subjects;
      asking.about = about;
      let answer: Answer;
      try {
        answer = ask(
          small.enforcer,
          model.request.map((name) => fields[name] ?? ''),
        );
      } finally {
        asking.subjects = [];
        asking.about = undefined;
      }
      return { allowed: answer.allowed, line: answer.line === undefined ? undefined : small.lines[answer.line] };
    },
  };
}

const matchFunctionsOfLines: readonly (readonly [string, MatcherFunction])[] = [
  ...[...matchFunctions].map(
    ([name, run]) => [name, ((text: string, pattern: string) => run(text, pattern)) as MatcherFunction] as const,
  ),
  [containsFunction, (list, value) => listContains(list, value)],
];

/** The lines of each tenant, and what follows from its roles. */
function byTenant({ model, lines, sharedDomain }: PolicySetParts): {
  readonly shared: Domain;
  readonly domains: ReadonlyMap<string, Domain>;
} {
  const byDomain = grouped(lines, ({ domain }) => domain);
  const common = sharedDomain === undefined ? [] : (byDomain.get(sharedDomain) ?? []);
  const object = model.policy.indexOf('obj');
  const room = newRoom();
  const domainOf = (own: readonly CheckedLine[], roles: readonly CheckedLine[]): Domain => ({
    ...ofPolicies(own, object),
    roles: new Map(
      model.roles.map((name) => [
        name,
        roleGraph(
          roles.filter(({ ptype }) => ptype === name),
          room,
        ),
      ]),
    ),
    targets: new Set(roles.filter(({ ptype }) => ptype === 'g').map(({ values }) => values[1] ?? '')),
  });
  const shared = domainOf(common, common);
  const domains = new Map<string, Domain>();
  for (const [name, own] of byDomain) {
    if (name === sharedDomain) continue;
    // Circles may go through shared links.
    const links = own.some(({ ptype }) => ptype !== 'p') ? [...common, ...own] : undefined;
    const domain = domainOf(own, links ?? []);
    domains.set(name, links === undefined ? { ...shared, lines: domain.lines, byObject: domain.byObject } : domain);
  }
  return { shared, domains };
}

function ofPolicies(all: readonly CheckedLine[], object: number): Pick<Domain, 'lines' | 'byObject'> {
  const lines = all.filter(({ ptype }) => ptype === 'p');
  return { lines, byObject: grouped(lines, ({ values }) => values[object] ?? '') };
}

/** As casbin goes through lines: by priority, then as they came. */
function ordered(lines: readonly CheckedLine[], { policy, isByPriority }: CheckedModel): readonly CheckedLine[] {
  if (!isByPriority) return lines;
  const at = policy.indexOf('priority');
  const priority = ({ values }: CheckedLine): number => (at === -1 ? 0 : Number(values[at]));
  return lines.toSorted((one, other) => priority(one) - priority(other) || one.order - other.order);
}

function revisionOf({ model, matcher }: CheckedModel, lines: readonly CheckedLine[]): string {
  const definitions = [...model.model.values()].flatMap((section) =>
    [...section].map(([key, { value }]) => [key, value] as const),
  );
  const said = JSON.stringify([definitions, matcher.text, lines.map(({ ptype, values }) => [ptype, values])]);
  return createHash('sha256').update(said).digest('hex');
}

/**
 * Asks about a line and a question that have nothing in common. A matcher that lets that pass lets everything pass.
 *
 * @throws PortcullisError `policies_invalid`
 */
export function refuseOpenMatcher({ model, functions }: Pick<PolicySetParts, 'model' | 'functions'>): void {
  const known: Readonly<Record<string, string>> = { eft: 'allow', priority: '1', dom: 'tenant' };
  const values = model.policy.map((name) => known[name] ?? `\u0002${name}`);
  const line: CheckedLine = { ptype: 'p', values, place: model.place, domain: 'tenant', order: 0 };
  const never = new Map([...functions.keys()].map((name) => [name, () => false] as const));
  const set = policySet({
    model,
    lines: [line],
    functions: never,
    sharedDomain: undefined,
    maxEnforcers: 1,
    isProbe: true,
  });
  const tenant = tenantId('tenant');
  const about: Attributed = {
    principal: { id: '\u0003id', roles: [], attr: {} },
    resource: { kind: '\u0003kind', id: '\u0003id', tenant },
  };
  const names = { subject: '\u0003sub', object: '\u0003obj', action: '\u0003act' };
  try {
    if (!set.ask({ tenant, ...names, subjects: [], about }).allowed) return;
  } catch (error) {
    throw refused(model.place, 'casbin cannot evaluate the matcher', error);
  }
  throw refused(model.place, 'the matcher allows what no line speaks of');
}
