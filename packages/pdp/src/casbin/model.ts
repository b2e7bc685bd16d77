import { basename } from 'node:path';
import { newModelFromString, type Model } from 'casbin';
import { readMatcher, type Matcher } from './matcher.js';
import { refused } from './line.js';
import { readText } from './read-text.js';

/** A casbin model that was found sound. */
export interface CheckedModel {
  /** casbin's own reading of it. Nobody changes it. */
  readonly model: Model;
  readonly place: string;
  /** The fields of a request, in order. */
  readonly request: readonly string[];
  /** The fields of a line `p`, in order. */
  readonly policy: readonly string[];
  /** The role definitions: `g`, `g2` … */
  readonly roles: readonly string[];
  readonly matcher: Matcher;
  /** Whether the order of lines decides. */
  readonly isByPriority: boolean;
}

/** What is known of the request before the model is read. */
interface ModelRules {
  readonly functions: readonly string[];
  readonly subjectIsText: boolean;
}

interface Entry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

const sections: Readonly<Record<string, RegExp>> = {
  request_definition: /^r$/,
  policy_definition: /^p$/,
  role_definition: /^g[2-9]?$/,
  policy_effect: /^e$/,
  matchers: /^m$/,
};

/** casbin compares effects as texts. `!some(where (p.eft == deny))` is not here: it allows what no line speaks of. */
const effects: ReadonlyMap<string, 'unordered' | 'ordered'> = new Map([
  ['some(where (p_eft == allow))', 'unordered'],
  ['some(where (p_eft == allow)) && !some(where (p_eft == deny))', 'unordered'],
  ['priority(p_eft) || deny', 'ordered'],
]);

/** @returns the text of a model, and what to call it in messages: a text has line breaks, and the name of a file has none */
export async function modelText(model: string): Promise<readonly [text: string, place: string]> {
  if (/[\r\n]/.test(model)) return [model, 'model'];
  const text = await readText(model).catch((cause: unknown) => {
    throw refused(basename(model), 'the model cannot be read, or is not UTF-8', cause);
  });
  return [text, basename(model)];
}

/**
 * Reads a model, strictly: casbin leaves out what it does not know, takes the last of two entries, and cuts a line at a
 * `#` or `;` inside of a text.
 *
 * @throws PortcullisError `policies_invalid`, with the line
 */
export function readModel(text: string, place: string, rules: ModelRules): CheckedModel {
  const entries = entriesOf(text, place);
  const entry = (key: string): Entry => {
    const found = entries.find((one) => one.key === key);
    if (found === undefined) throw refused(place, `the model has no \`${key}\``);
    return found;
  };
  const at = ({ line }: Entry): string => `${place}:${String(line)}`;
  const roles = rolesOf(entries, at);
  const request = fieldsOf(entry('r'), at, ['principal', 'resource']);
  const policy = fieldsOf(entry('p'), at, undefined);
  let model: Model;
  try {
    model = newModelFromString(canonical(entries));
  } catch (cause) {
    throw refused(place, 'casbin refuses the model', cause);
  }
  const effect = effects.get(model.model.get('e')?.get('e')?.value ?? '');
  if (effect === undefined)
    throw refused(at(entry('e')), 'the effect is not supported: it has to be one that denies what no line allows');
  const matcher = readMatcher(model.model.get('m')?.get('m')?.value ?? '', { ...rules, request, policy, roles });
  if (typeof matcher === 'string') throw refused(at(entry('m')), matcher);
  if (policy.includes('priority') && effect !== 'ordered')
    throw refused(at(entry('p')), '`priority` means nothing to this effect');
  return { model, place, request, policy, roles, matcher, isByPriority: effect === 'ordered' };
}

function entriesOf(text: string, place: string): readonly Entry[] {
  const entries: Entry[] = [];
  let section = '';
  let begun = '';
  const seen = new Set<string>();
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const at = `${place}:${String(index + 1)}`;
    const line = raw.trim();
    if (begun === '' && (line === '' || /^[#;]/.test(line))) continue;
    if (/[#;]/.test(line)) throw refused(at, 'casbin cuts a line at `#` and `;`: put comments on lines of their own');
    if (line.endsWith('\\')) {
      begun += `${line.slice(0, -1).trim()} `;
      continue;
    }
    const whole = begun + line;
    begun = '';
    const heading = /^\[(.*)\]$/.exec(whole)?.[1];
    const once = heading ?? `${section}.${/^\w*/.exec(whole)?.[0] ?? ''}`;
    if (seen.has(once)) throw refused(at, `\`${heading ?? whole}\` is there twice`);
    seen.add(once);
    if (heading !== undefined) {
      if (!Object.hasOwn(sections, heading)) throw refused(at, `the section \`${heading}\` is not known`);
      section = heading;
      continue;
    }
    const [, key = '', value = ''] = /^(\w+)\s*=\s*(\S.*)$/.exec(whole) ?? [];
    if (sections[section]?.test(key) !== true) throw refused(at, `\`${whole}\` is not supported here`);
    entries.push({ section, key, value, line: index + 1 });
  }
  if (begun !== '') throw refused(place, 'the last line is not finished');
  return entries;
}

/** The model again, with nothing in it that casbin reads in a way of its own. */
function canonical(entries: readonly Entry[]): string {
  return Object.keys(sections)
    .map((heading) => [heading, entries.filter(({ section }) => section === heading)] as const)
    .filter(([, own]) => own.length > 0)
    .map(([heading, own]) => [`[${heading}]`, ...own.map(({ key, value }) => `${key} = ${value}`)].join('\n'))
    .join('\n');
}

function rolesOf(entries: readonly Entry[], at: (entry: Entry) => string): readonly string[] {
  const definitions = entries.filter(({ section }) => section === 'role_definition');
  for (const [index, definition] of definitions.entries()) {
    const expected = index === 0 ? 'g' : `g${String(index + 1)}`;
    if (definition.key !== expected) throw refused(at(definition), `casbin reads \`${expected}\` here, or nothing`);
    if (!/^_\s*,\s*_\s*,\s*_$/.test(definition.value))
      throw refused(at(definition), 'a role is a role in one tenant: it has to be defined as `_, _, _`');
  }
  return definitions.map(({ key }) => key);
}

function fieldsOf(entry: Entry, at: (entry: Entry) => string, more: readonly string[] | undefined): readonly string[] {
  const names = entry.value.split(',').map((name) => name.trim());
  const needed = ['sub', 'dom', 'obj', 'act'];
  if (names.some((name) => !/^[a-z]\w*$/.test(name)) || new Set(names).size !== names.length)
    throw refused(at(entry), `\`${entry.value}\` is not a list of names`);
  const missing = needed.find((name) => !names.includes(name));
  if (missing !== undefined) throw refused(at(entry), `\`${missing}\` is missing: needed are ${needed.join(', ')}`);
  const unknown = more === undefined ? undefined : names.find((name) => ![...needed, ...more].includes(name));
  if (unknown !== undefined)
    throw refused(
      at(entry),
      `\`${unknown}\` is not known: a request can have ${[...needed, ...(more ?? [])].join(', ')}`,
    );
  return names;
}
