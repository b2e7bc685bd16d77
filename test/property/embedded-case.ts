import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Attributes, CheckRequest, Plan, PlanRequest, PolicyDecisionPoint } from '@portcullis/core';
import { PortcullisError } from '@portcullis/core';
import { cerbosSidecar, type Sidecar } from '@portcullis/pdp/cerbos';
import { embedded, type EmbeddedEngine } from '@portcullis/pdp/embedded';
import { differences } from './embedded-difference.js';
import { newFolder } from './embedded-runs.js';
import { jsonOf, shrunk, type Path } from './embedded-shrink.js';
import { meaningOf, UnknownOperator, type failed } from './plan-meaning.js';

/** A row that a plan is asked about. */
interface Row {
  readonly id: string;
  /** Without those that the rows of the plan share. */
  readonly attr: Attributes;
}

/** A question, and all that its answer depends on. */
export interface Case {
  readonly request?: CheckRequest;
  /** A plan, and a row for which it has to be true if a check allows it, and only then. */
  readonly plan?: PlanRequest;
  readonly row?: Row;
  readonly policies: readonly unknown[];
  /** By file name. */
  readonly schemas?: Readonly<Record<string, unknown>>;
  readonly globals?: Attributes;
}

/** A case as it is kept in a file. */
export interface KeptCase extends Case {
  /** What found it. */
  readonly found: string;
  /** What the answers were then. */
  readonly differed: readonly string[];
}

/** How long a test may look for a smaller case. */
export const shrinkingMs = 300_000;

export const casesFolder = join(import.meta.dirname, 'embedded-cases');

/** A folder with a policy and a schema a file; the names are the files'. */
export function folderOf(
  policies: Iterable<readonly [string, unknown]>,
  schemas: Iterable<readonly [string, unknown]> = [],
): string {
  const folder = newFolder();
  for (const [name, policy] of policies) writeFileSync(join(folder, `${name}.json`), jsonOf(policy));
  for (const [name, schema] of schemas) {
    mkdirSync(join(folder, '_schemas'), { recursive: true });
    writeFileSync(join(folder, '_schemas', `${name}.json`), jsonOf(schema));
  }
  return folder;
}

/** Both engines on the policies of one case after another; they start anew where the policies are others. */
export class CaseEngines {
  #about = '';
  #folder = '';
  #inProcess: EmbeddedEngine | undefined;
  #cerbos: Sidecar | undefined;

  /** Where the engines differ about a case; nowhere too if one of them does not take its policies. */
  async differences(about: Case): Promise<readonly string[]> {
    const { policies, schemas = {}, globals } = about;
    const text = jsonOf([policies, schemas, globals]);
    if (text !== this.#about) {
      await this.close();
      this.#folder = folderOf(
        policies.map((policy, index) => [`p${String(index)}`, policy] as const),
        Object.entries(schemas),
      );
    }
    const options = { policies: this.#folder, pollMs: 0, allowWideningScopes: true, ...(globals && { globals }) };
    this.#inProcess ??= await embedded(options);
    this.#about = text;
    const inProcess = this.#inProcess;
    // A plan is held against the checks of its own engine first, which costs little.
    const own = await wrongPlan(about, inProcess, inProcess);
    if (own.length > 0) return own;
    this.#cerbos ??= await cerbosSidecar({ ...options, deadlineMs: 60_000 });
    return [
      ...(await wrongPlan(about, inProcess, this.#cerbos)),
      ...(about.request === undefined ? [] : await differences(inProcess, this.#cerbos, about.request)),
    ];
  }

  async close(): Promise<void> {
    await Promise.all([this.#inProcess?.close(), this.#cerbos?.close()]);
    [this.#about, this.#inProcess, this.#cerbos] = ['', undefined, undefined];
  }
}

async function wrongPlan(
  { plan, row }: Case,
  planner: PolicyDecisionPoint,
  checker: PolicyDecisionPoint,
): Promise<readonly string[]> {
  if (plan === undefined || row === undefined) return [];
  const { kind, action, tenant, attr: shared, ...asked } = plan;
  const attr = { ...row.attr, ...shared };
  const answer = await planOf(planner, plan);
  const said = saidOf(answer, attr, row.id, tenant);
  const questions = [{ resource: { kind, id: row.id, tenant, attr }, actions: [action] }];
  const [decisions] = await checker.check({ ...asked, questions });
  const effect = decisions?.[0]?.effect;
  if (typeof said !== 'boolean' || said === (effect === 'allow')) return [];
  return [`the plan says ${String(said)}: ${jsonOf(answer)}\n  a check by ${checker.engine}: ${String(effect)}`];
}

/** The plan of a question; none where the engine does not answer it. */
export async function planOf(
  pdp: PolicyDecisionPoint,
  request: PlanRequest,
  onRefusal?: (error: PortcullisError) => void,
): Promise<Plan | 'refused'> {
  try {
    return await pdp.plan(request);
  } catch (error) {
    if (!(error instanceof PortcullisError) || error.code !== 'pdp_unavailable') throw error;
    onRefusal?.(error);
    return 'refused';
  }
}

/** What a plan says of a row; nothing where it has an operator that is unknown here, or is refused. */
export function saidOf(
  plan: Plan | 'refused',
  attr: Attributes,
  id: string,
  tenant: string,
  onUnknown?: (error: UnknownOperator) => void,
): boolean | typeof failed | undefined {
  if (plan === 'refused') return undefined;
  if (plan.outcome !== 'conditional') return plan.outcome === 'always_allowed';
  try {
    return meaningOf(plan.condition, { id, attr: { ...attr, tenant } });
  } catch (error) {
    if (!(error instanceof UnknownOperator)) throw error;
    onUnknown?.(error);
    return undefined;
  }
}

/**
 * Fails with the minimal cases of what differed, each of which is kept in a file (in CI it is only printed).
 *
 * Those after the third are left out; all together are looked for no longer than {@link shrinkingMs}.
 */
export async function failWith(found: string, cases: readonly Case[]): Promise<void> {
  if (cases.length === 0) return;
  const until = Date.now() + shrinkingMs;
  const told: string[] = [];
  for (const one of cases.slice(0, 3)) told.push(await minimal(found, one, until));
  throw new Error(`${found}: answers differ\n${told.join('\n')}`);
}

async function minimal(found: string, about: Case, until: number): Promise<string> {
  const engines = new CaseEngines();
  try {
    const first = sortOf(await engines.differences(about));
    if (first === undefined) return `this one does not differ when it is asked alone:\n${jsonOf(about)}`;
    const differs = async (smaller: Case): Promise<boolean> => {
      try {
        return sortOf(await engines.differences(smaller)) === first;
      } catch {
        // What an engine does not take is no case.
        return false;
      }
    };
    const { value, isCutShort } = await shrunk(about, { differs, mayChange, until });
    const differed = await engines.differences(value);
    const { text, file } = await keep({ found, differed, ...value });
    const size = isCutShort ? 'a small case (time was up before it was minimal)' : 'the minimal case';
    return `${size}, ${file}:\n${text}${differed.join('\n')}\n`;
  } finally {
    await engines.close();
  }
}

/** Whether both answer, or which does not: a smaller case is to be of the same sort. */
function sortOf([difference]: readonly string[]): string | undefined {
  return difference?.includes('\n') === true ? 'otherwise answered' : difference;
}

/** Of a question only what leaves it one: elements of lists, attributes, the version, and the scope for a wider one. */
function mayChange(path: Path, how: 'remove' | 'replace'): boolean {
  const [first, last] = [path[0], path.at(-1)];
  if (first === 'schemas' || first === 'globals') return true;
  if (path.length === 1) return false;
  if (first === 'policies') return true;
  if (path.slice(1, -1).includes('attr')) return true;
  return how === 'remove' ? typeof last === 'number' || last === 'policyVersion' : last === 'scope';
}

async function keep(kept: KeptCase): Promise<{ readonly text: string; readonly file: string }> {
  const name = `${createHash('sha256').update(jsonOf(kept)).digest('hex').slice(0, 8)}.json`;
  const file = join(casesFolder, name);
  const text = await format(jsonOf(kept), { ...(await resolveConfig(file)), parser: 'json' });
  if (process.env['CI'] !== undefined)
    return { text, file: `to be kept as ${name} in test/property/embedded-cases with what mends it` };
  writeFileSync(file, text);
  return { text, file: `kept as test/property/embedded-cases/${name}, to be committed with what mends it` };
}
