import type { AttributeValue, PolicyDocument } from '@portcullis/core';
import { failed } from '../../embedded/cel/cel-value.js';
import { resourceWith } from '../../embedded/cel/request-fields.js';
import { compilePolicies } from '../../embedded/compile/compile.js';
import { readAttributes } from '../../embedded/evaluate/attributes.js';
import { verdictsOn } from '../../embedded/evaluate/check.js';
import { toJson } from '../../embedded/evaluate/decisions.js';
import { Grounds } from '../../embedded/evaluate/ground.js';
import { Question, type Asked } from '../../embedded/evaluate/question.js';
import { readFolder } from '../../embedded/load/folder.js';
import { readPolicies } from '../read.js';
import { SuiteError, type TestCase } from './cases.js';

/** What a policy set says on one action. */
export interface Answer {
  readonly effect: 'allow' | 'deny';
  /** By source; where a source speaks twice, the last one. A value that could not be computed is undefined. */
  readonly outputs: ReadonlyMap<string, AttributeValue | undefined>;
}

/** Asks about a case, all its actions at once. */
export type Ask = (test: TestCase) => readonly Answer[];

/** What the policies need to know of themselves, to tell which cases this engine can be asked. */
interface About {
  readonly principals: ReadonlySet<string>;
  readonly resourceScopes: ReadonlySet<string>;
  readonly principalScopes: ReadonlySet<string>;
  readonly readsPrincipalScope: boolean;
  readonly readsAuxData: boolean;
}

const denied: Answer = { effect: 'deny', outputs: new Map() };

/**
 * The engine of this process, for the cases of suites. Unlike behind the port, attributes are just what a fixture says.
 *
 * @throws PortcullisError `policies_invalid`
 */
export async function askerOf(folder: string): Promise<Ask> {
  const grounds = new Grounds(compilePolicies(await readFolder(folder)));
  const about = aboutOf(await readPolicies(folder));
  return (test) => {
    const where = placeOf(test, about);
    if (where === undefined) return test.actions.map(() => denied);
    const { principal, resource, options } = test;
    const asked = {
      principal: { id: principal.id, roles: [...new Set(principal.roles)], attr: readAttributes(principal.attr) },
      resource: resourceWith({ kind: resource.kind, id: resource.id, attr: readAttributes(resource.attr) }),
      ...where,
      globals: readAttributes(options?.globals ?? {}),
    };
    const question = new QuestionAt(asked, options?.now === undefined ? undefined : timeOf(options.now));
    const place = grounds.placeOf(question.scope, question.policyVersion);
    return verdictsOn(grounds, place, question, test.actions, true).map(({ effect, outputs }) => ({
      effect,
      outputs: new Map(outputs.map(({ source, value }) => [source, value === failed ? undefined : toJson(value)])),
    }));
  };
}

/** A question at a time that its suite set; where none is set, one that asks for it cannot be answered. */
class QuestionAt extends Question {
  readonly #nowMs: number | undefined;

  constructor(asked: Asked, nowMs: number | undefined) {
    super(asked);
    this.#nowMs = nowMs;
  }

  override get nowMs(): number {
    if (this.#nowMs === undefined) throw new SuiteError('a policy reads the time: set the option `now`');
    return this.#nowMs;
  }
}

/** @throws SuiteError for what this engine's clock cannot show */
function timeOf(text: string): number {
  if (/\.\d{3}\d*[1-9]/.test(text)) throw new SuiteError('the option `now` is only supported to the millisecond');
  return Date.parse(text);
}

function aboutOf(policies: readonly PolicyDocument[]): About {
  const scopesOf = (...kinds: readonly PolicyDocument['kind'][]): ReadonlySet<string> =>
    new Set(policies.filter(({ kind }) => kinds.includes(kind)).map(({ scope }) => scope));
  return {
    principals: new Set(policies.filter(({ kind }) => kind === 'principal').map(({ name }) => name)),
    resourceScopes: scopesOf('resource', 'role'),
    principalScopes: scopesOf('principal'),
    readsPrincipalScope: policies.some(({ text }) =>
      /\b(P|principal)\s*\.\s*(scope|policyVersion|policy_version)\b/.test(text),
    ),
    readsAuxData: policies.some(({ text }) => /\b(aux_data|auxData)\b/.test(text)),
  };
}

/**
 * The scope and version that a case is asked in; `undefined` where no policy is looked at, because none is of just that
 * scope and the search is not lenient.
 *
 * The port asks in one scope and one version. Where principal and resource differ, that is the resource's, if nothing
 * can tell the difference.
 *
 * @throws SuiteError where something can
 */
function placeOf(
  { principal, resource, options, auxData }: TestCase,
  about: About,
): { readonly scope: string; readonly policyVersion: string } | undefined {
  const defaultVersion = options?.defaultPolicyVersion ?? '';
  const versionOf = ({ policyVersion }: { readonly policyVersion: string }): string =>
    policyVersion || defaultVersion || 'default';
  const scopeOf = ({ scope }: { readonly scope: string }): string => scope || (options?.defaultScope ?? '');
  const [scope, policyVersion] = [scopeOf(resource), versionOf(resource)];
  const hasOwn = about.principals.has(principal.id);
  const isSame = scope === scopeOf(principal) && policyVersion === versionOf(principal);
  if (!isSame && (hasOwn || about.readsPrincipalScope))
    throw new SuiteError('a principal and a resource of different scopes or versions are not supported');
  if (auxData !== '' && about.readsAuxData)
    throw new SuiteError('auxiliary data is not supported: this engine is never given any');
  if (options?.lenientScopeSearch === true) return { scope, policyVersion };
  const isThere = about.resourceScopes.has(scope);
  const isOwnThere = hasOwn && about.principalScopes.has(scope);
  if (!isThere && !isOwnThere) return undefined;
  if (hasOwn && isThere !== isOwnThere)
    throw new SuiteError('without lenient search, policies of principals need policies of resources in their scope');
  return { scope, policyVersion };
}
