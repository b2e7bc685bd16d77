import { basename, extname } from 'node:path';
import { Helper, Model } from 'casbin';
import { isAlias, isNode, LineCounter, parseAllDocuments, visit, type Document } from 'yaml';
import { z } from 'zod';
import { refused, type PolicyLine } from './line.js';
import type { CheckedModel } from './model.js';
import { readText } from './read-text.js';

/** What loads lines into a casbin model: the part of casbin’s `Adapter` that is used. */
export interface LineAdapter {
  loadPolicy(model: Model): Promise<void>;
}

/**
 * Reads the lines of a file: CSV as casbin’s own, or YAML.
 *
 * @throws PortcullisError `policies_invalid`, with the file and the line
 */
export async function readFileLines(
  path: string,
  model: CheckedModel,
  signal?: AbortSignal,
): Promise<readonly PolicyLine[]> {
  const file = basename(path);
  const text = await readText(path, signal).catch((cause: unknown) => {
    throw refused(file, 'the policy cannot be read, or is not UTF-8', cause);
  });
  switch (extname(path)) {
    case '.csv':
      return readCsv(text, file, model);
    case '.yaml':
    case '.yml':
      return readYaml(text, file);
    default:
      throw refused(file, 'a policy is a `.csv`, `.yaml` or `.yml` file');
  }
}

/** Reads CSV, each line by casbin’s own reader: one that it leaves out is refused. */
function readCsv(text: string, file: string, { model }: CheckedModel): readonly PolicyLine[] {
  const scratch = emptyModel(model);
  return text.split(/\r\n|\r|\n/).flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const place = `${file}:${String(index + 1)}`;
    try {
      Helper.loadPolicyLine(line, scratch);
    } catch (cause) {
      throw refused(place, 'casbin cannot read the line', cause);
    }
    const [read, ...others] = takeLines(scratch);
    if (read === undefined || others.length > 0)
      throw refused(place, `casbin leaves the line out: the model has no \`${/^\w*/.exec(line)?.[0] ?? ''}\``);
    return [{ ...read, place }];
  });
}

const yamlPolicy = z
  .strictObject({ version: z.literal(1) })
  .catchall(z.array(z.array(z.string('has to be a text: put it in quotes'))));

function readYaml(text: string, file: string): readonly PolicyLine[] {
  const counter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: counter, version: '1.2', strict: true });
  const [document] = [...documents];
  if (document === undefined || documents.length !== 1) throw refused(`${file}:1`, 'has to be one document');
  const placeOf = (path: readonly PropertyKey[]): string => {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    if (isNode(node) && node.range) return `${file}:${String(counter.linePos(node.range[0]).line)}`;
    return path.length === 0 ? `${file}:1` : placeOf(path.slice(0, -1));
  };
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined)
    throw refused(`${file}:${String(error.linePos?.[0].line ?? 1)}`, error.message.split('\n')[0] ?? 'is not YAML');
  refuseCleverYaml(document, `${file}:1`);
  const parsed = yamlPolicy.safeParse(document.toJS());
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(placeOf(issue?.path ?? []), issue?.message ?? 'is malformed');
  }
  const { version: _version, ...byType } = parsed.data;
  return Object.entries(byType).flatMap(([ptype, lines]) =>
    lines.map((values, index) => ({ ptype, values, place: placeOf([ptype, index]) })),
  );
}

/** Anchors, aliases and tags: two parsers may read them in two ways. */
function refuseCleverYaml(document: Document, place: string): void {
  visit(document, {
    Node(_key, node) {
      if (isAlias(node) || node.anchor !== undefined || node.tag !== undefined)
        throw refused(place, 'aliases, anchors and tags are not supported');
    },
  });
}

/** Lets an adapter load its lines, into a model that is ours and that it does not keep. */
export async function readAdapterLines(adapter: LineAdapter, { model }: CheckedModel): Promise<readonly PolicyLine[]> {
  const loaded = emptyModel(model);
  await adapter.loadPolicy(loaded);
  return takeLines(loaded);
}

function emptyModel(model: Model): Model {
  const text = [...model.model].flatMap(([section, definitions]) =>
    [...definitions].map(([key, { value }]) => [section, key, value] as const),
  );
  const empty = new Model();
  for (const [section, key, value] of text) empty.addDef(section, key, value);
  return empty;
}

function takeLines(model: Model): readonly PolicyLine[] {
  return ['p', 'g'].flatMap((section) =>
    [...(model.model.get(section) ?? [])].flatMap(([ptype, definition]) =>
      definition.policy.splice(0).map((values) => ({ ptype, values: [...values] })),
    ),
  );
}
