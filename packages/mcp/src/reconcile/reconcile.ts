import { PortcullisError, type PolicyDocument } from '@portcullis/core';
import type { GuardableServer } from '../transport/guard-server.js';
import { inventory, type InventoriedTool } from './inventory.js';
import type { ToolLock } from './lock.js';
import { couldAllow, idsOf, matchesGlob, type KnownQuestion } from './possible.js';

/**
 * What can be found:
 *
 * - `never_allowed`: no policy can ever permit the tool;
 * - `no_such_tool`: a policy speaks of a tool, or of a kind and action, that nothing asks about;
 * - `unmapped`: nobody said what the tool asks, where `mappings` are required;
 * - `malformed`: its declared mapping cannot be compiled, so that every call is denied;
 * - `changed`: its definition, or what it asks, is not what was reviewed;
 * - `unreviewed`: it is not in the lock file;
 * - `removed`: it is in the lock file and no longer in the server.
 */
export type FindingKind =
  'never_allowed' | 'no_such_tool' | 'unmapped' | 'malformed' | 'changed' | 'unreviewed' | 'removed';

/** How a kind of finding is treated. */
export type FindingLevel = 'error' | 'warning' | 'off';

/** One thing that does not fit. */
export interface Finding {
  readonly kind: FindingKind;
  readonly level: 'error' | 'warning';
  /** The tool, or the policy file. */
  readonly subject: string;
  readonly message: string;
}

/** What is reconciled with what. */
export interface ReconcileOptions {
  /** The policies: `await readPolicies('policies')` of `@portcullis/pdp`. */
  readonly policies: readonly PolicyDocument[];
  /** What was reviewed; without it, changes are not looked for. */
  readonly lock?: ToolLock | undefined;
  /**
   * Whether each tool has to say what it asks: in code, or by `x-authzen-mapping`.
   *
   * @defaultValue 'optional': a tool without one asks COAZ-MCP's default question
   */
  readonly mappings?: 'required' | 'optional' | undefined;
  /** What handlers ask beside the tools' own questions (`ctx.authorize`, `ctx.filter`). */
  readonly handlersAsk?: readonly { readonly kind: string; readonly action: string }[] | undefined;
  /** Kinds that others than this server ask about, as `tenant` and `platform` of the admin API. @defaultValue none */
  readonly askedElsewhere?: readonly string[] | undefined;
  /** @defaultValue `no_such_tool` and `removed` are warnings, all others errors */
  readonly levels?: Readonly<Partial<Record<FindingKind, FindingLevel>>> | undefined;
  /** The version of the policies that the gate asks for. @defaultValue 'default' */
  readonly policyVersion?: string | undefined;
  /** How long the server may take to list its tools. @defaultValue 10000 */
  readonly timeoutMs?: number | undefined;
}

/** What was found, and the lock that describes the tools as they are. */
export interface Reconciliation {
  readonly findings: readonly Finding[];
  readonly lock: ToolLock;
}

const defaultLevels: Readonly<Record<FindingKind, FindingLevel>> = {
  never_allowed: 'error',
  no_such_tool: 'warning',
  unmapped: 'error',
  malformed: 'error',
  changed: 'error',
  unreviewed: 'error',
  removed: 'warning',
};

/**
 * Holds the tools of a server against the policies, at start-up or in CI.
 *
 * @param server - a server made for this, of either generation of the SDK, not the one that serves
 * @throws PortcullisError `tools_unreconciled` when the server does not list its tools
 * @example
 * ```text
 * const { findings } = await reconcile(notesServer(gate), { policies: await readPolicies('policies') });
 * assertReconciled(findings);
 * ```
 */
export async function reconcile(server: GuardableServer, options: ReconcileOptions): Promise<Reconciliation> {
  const tools = await inventory(server, options.timeoutMs ?? 10_000);
  const version = options.policyVersion ?? 'default';
  const policies = options.policies.filter((policy) => policy.kind === 'role' || policy.version === version);
  const found = [
    ...tools.flatMap((tool) => toolFindings(tool, policies, options)),
    ...lockFindings(tools, options.lock),
    ...policyFindings(policies, tools, options.handlersAsk ?? [], options.askedElsewhere ?? []),
  ];
  return {
    findings: found.flatMap((finding) => {
      const level = options.levels?.[finding.kind] ?? defaultLevels[finding.kind];
      return level === 'off' ? [] : [{ ...finding, level }];
    }),
    lock: Object.fromEntries(tools.map(({ name, fingerprint }) => [name, fingerprint])),
  };
}

/**
 * Throws if anything fatal was found.
 *
 * @throws PortcullisError `tools_unreconciled`, with every fatal finding in its `detail`
 */
export function assertReconciled(findings: readonly Finding[]): void {
  const fatal = findings.filter(({ level }) => level === 'error');
  if (fatal.length === 0) return;
  throw new PortcullisError(
    'tools_unreconciled',
    `${String(fatal.length)} of the tools and policies do not fit together`,
    {
      detail: formatFindings(fatal),
    },
  );
}

/** One line for each finding. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings.map(({ kind, level, subject, message }) => `${level} ${kind} ${subject}: ${message}`).join('\n');
}

type Found = Omit<Finding, 'level'>;

function toolFindings(
  tool: InventoriedTool,
  policies: readonly PolicyDocument[],
  { mappings = 'optional' }: ReconcileOptions,
): readonly Found[] {
  const found: Found[] = [];
  const add = (kind: FindingKind, message: string): number => found.push({ kind, subject: tool.name, message });
  if (tool.malformed !== undefined) {
    add('malformed', `its declared mapping is malformed, so every call is denied: ${tool.malformed}`);
    return found;
  }
  if (!tool.mapped && mappings === 'required')
    add('unmapped', 'it does not say what it asks, and mappings are required');
  for (const question of tool.questions) {
    if (!couldAllow(policies, question)) add('never_allowed', `no policy can permit ${say(question)}`);
  }
  return found;
}

function say({ kind, action, id }: KnownQuestion): string {
  return `\`${action ?? '(any action)'}\` on ${kind ?? '(any kind)'}${id === undefined ? '' : ` \`${id}\``}`;
}

function lockFindings(tools: readonly InventoriedTool[], lock: ToolLock | undefined): readonly Found[] {
  if (lock === undefined) return [];
  const changes = tools.flatMap(({ name, fingerprint }): readonly Found[] => {
    const reviewed = Object.hasOwn(lock, name) ? lock[name] : undefined;
    if (reviewed === fingerprint) return [];
    return reviewed === undefined
      ? [
          {
            kind: 'unreviewed',
            subject: name,
            message: 'it is not in the lock file: review its policy, then update the lock',
          },
        ]
      : [
          {
            kind: 'changed',
            subject: name,
            message: 'its definition changed since it was reviewed: review its policy, then update the lock',
          },
        ];
  });
  const present = new Set(tools.map(({ name }) => name));
  const gone = Object.keys(lock).filter((name) => !present.has(name));
  return [
    ...changes,
    ...gone.map((name): Found => ({ kind: 'removed', subject: name, message: 'the server has it no longer' })),
  ];
}

/** Kinds that the gate itself asks about, by the rows of COAZ-MCP. */
const protocolKinds = ['mcp_server', 'resource', 'prompt', 'task'];

function policyFindings(
  policies: readonly PolicyDocument[],
  tools: readonly InventoriedTool[],
  handlersAsk: readonly KnownQuestion[] | readonly { readonly kind: string; readonly action: string }[],
  askedElsewhere: readonly string[],
): readonly Found[] {
  const asked: readonly { readonly kind: string | undefined; readonly action: string | undefined }[] = [
    ...tools.flatMap(({ questions }) => questions),
    ...handlersAsk,
  ];
  const names = new Set(tools.map(({ name }) => name));
  const found = policies.flatMap((policy) =>
    policy.rules.flatMap((rule): readonly Found[] => {
      if (protocolKinds.includes(rule.resource) || askedElsewhere.includes(rule.resource)) return [];
      const stale: Found[] = [];
      if (rule.resource === 'tool') {
        for (const id of idsOf(rule))
          if (!names.has(id))
            stale.push({ kind: 'no_such_tool', subject: policy.file, message: `there is no tool \`${id}\`` });
      }
      for (const action of rule.actions) {
        const isAsked =
          (rule.resource === 'tool' && matchesGlob(action, 'tools/call')) ||
          asked.some(
            (question) =>
              (question.kind === undefined || matchesGlob(rule.resource, question.kind)) &&
              (question.action === undefined || matchesGlob(action, question.action)),
          );
        if (!isAsked)
          stale.push({
            kind: 'no_such_tool',
            subject: policy.file,
            message: `no tool asks for \`${action}\` on \`${rule.resource}\``,
          });
      }
      return stale;
    }),
  );
  const seen = new Set<string>();
  return found.filter(({ subject, message }) => {
    const line = `${subject} ${message}`;
    return seen.has(line) ? false : seen.add(line);
  });
}
