import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { parseArgs, styleText } from 'node:util';
import { tenantId, type CheckRequest } from '@portcullis/core';
import { embedded, type ConditionExplanation, type Explanation, type RuleExplanation } from '@portcullis/pdp/embedded';
import { z } from 'zod';
import { hasColour, printable, say, usage, UsageError, type Command } from '../command.js';
import { folderOf } from './folder.js';

const help = `Usage: portcullis policies explain [FOLDER] --request FILE [options]

Decides a question by the policies of a folder (default: ./policies), and says which rule decided and why the others did not.

  --request FILE   the question as JSON; - for standard input:
                   { "principal": { "id", "roles": [], "attr": {} }, "scope": "",
                     "questions": [{ "resource": { "kind", "id", "tenant", "attr": {} }, "actions": [] }] }
  --bundle FILE    the policies of a bundle instead of a folder's
  --json           the explanations as JSON
  --help           this text

Exit codes: 0 all is allowed, 1 something is denied, 2 the arguments are wrong or the question cannot be answered.
`;

const attributes = z.record(z.string(), z.json());
const request = z.strictObject({
  principal: z.strictObject({ id: z.string(), roles: z.array(z.string()), attr: attributes.default({}) }),
  scope: z.string().default(''),
  policyVersion: z.string().optional(),
  questions: z
    .array(
      z.strictObject({
        resource: z.strictObject({
          kind: z.string(),
          id: z.string(),
          tenant: z.string().transform((text) => tenantId(text)),
          attr: attributes.default({}),
        }),
        actions: z.array(z.string()).min(1),
      }),
    )
    .min(1),
});

/** `portcullis policies explain` */
export const explain: Command = {
  summary: 'say why something is allowed or denied',
  help,
  async run(args) {
    const { values, positionals } = usage(() =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          request: { type: 'string' },
          bundle: { type: 'string' },
          json: { type: 'boolean', default: false },
        },
      }),
    );
    if (positionals.length > 0 && values.bundle !== undefined)
      throw new UsageError('a folder or a bundle, please, and not both');
    if (values.request === undefined) throw new UsageError('--request is needed');
    const asked = await readRequest(values.request);
    const pdp = await embedded(
      values.bundle === undefined
        ? { policies: folderOf(positionals), pollMs: 0 }
        : { bundle: await readFile(values.bundle, 'utf8') },
    );
    try {
      const explanations = (await pdp.explain(asked)).flat();
      if (values.json) await say(JSON.stringify(explanations, null, 2));
      else for (const explanation of explanations) await tell(explanation);
      return explanations.every(({ decision }) => decision.effect === 'allow') ? 0 : 1;
    } finally {
      await pdp.close();
    }
  },
};

async function readRequest(file: string): Promise<CheckRequest> {
  const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8');
  const parsed = request.safeParse(jsonOf(text));
  if (!parsed.success) throw new UsageError(`the request is malformed: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('the request is no JSON');
  }
}

async function tell({ decision, reason, rules, rolePolicies, scopesWithoutConsent }: Explanation): Promise<void> {
  const { effect, action, resource } = decision;
  const head = `${effect.toUpperCase()} ${printable(action)} on ${printable(resource.kind)} ${printable(resource.id)}`;
  const painted = hasColour() ? styleText(effect === 'allow' ? 'green' : 'red', head) : head;
  await say(`${painted}: ${printable(reason)}`);
  for (const rule of rules) for (const line of ruleLines(rule)) await say(line);
  for (const { policy, forbids } of rolePolicies)
    await say(`  ${printable(policy)}: ${forbids ? 'forbids it' : 'does not forbid it'}`);
  for (const scope of scopesWithoutConsent) await say(`  scope ${printable(scope)}: allows it, if a scope above does`);
}

const outcomes: Readonly<Record<RuleExplanation['outcome'], string>> = {
  decided: 'decided',
  met: 'is met',
  condition_not_met: 'its condition is not met',
  derived_role_not_met: 'its derived role is not held',
  role_not_held: 'is for other roles',
  not_reached: 'was not looked at',
};

function ruleLines({ rule, effect, outcome, derivedRole, condition }: RuleExplanation): readonly string[] {
  return [
    `  ${printable(rule)} (${effect}): ${outcomes[outcome]}`,
    ...(derivedRole === undefined ? [] : [`    derived role ${printable(derivedRole.name)}`]),
    ...(derivedRole?.condition === undefined ? [] : conditionLines(derivedRole.condition, '      ')),
    ...(condition === undefined ? [] : conditionLines(condition, '    ')),
  ];
}

function conditionLines({ text, result, of }: ConditionExplanation, indent: string): readonly string[] {
  return [
    `${indent}${printable(text)}: ${result.replaceAll('_', ' ')}`,
    ...of.flatMap((part) => conditionLines(part, `${indent}  `)),
  ];
}
