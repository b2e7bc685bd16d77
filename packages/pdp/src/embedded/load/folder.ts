import { isNode, LineCounter, parseAllDocuments, type Document } from 'yaml';
import { PortcullisError } from '@portcullis/core';
import { canonicalKey } from '../../client/canonical-key.js';
import { inSchemas, nameOfSchema, policyFiles, schemaFiles } from '../../policies/read.js';
import { readFiles } from '../../policies/read-files.js';
import { revisionOf } from '../../policies/revision.js';
import { cleverYaml } from './clever-yaml.js';
import { policyDocument, type PolicyDocumentOf } from './document.js';
import { refusal, type Place } from './place.js';

/** A policy, and where it stands. */
export interface Loaded {
  /** The document as it was written, before anything was filled in. */
  readonly document: unknown;
  readonly policy: PolicyDocumentOf;
  readonly place: Place;
}

/** What a policy folder holds: the policies, and the schemas by their name below `_schemas`. */
export interface PolicyFolder {
  readonly policies: readonly Loaded[];
  readonly schemas: ReadonlyMap<string, unknown>;
  readonly revision: string;
}

/**
 * Reads a policy folder.
 *
 * @throws PortcullisError `policies_invalid`, with the file, the line and what is wrong there
 */
export async function readFolder(folder: string): Promise<PolicyFolder> {
  const files = await policyFiles(folder);
  const policies = (await readFiles(folder, files)).flatMap(({ file, text }) => readPolicyFile(file, text));
  const schemas = await readSchemas(folder);
  return { policies, schemas, revision: revisionOf({ documents: policies.map(({ document }) => document), schemas }) };
}

function readPolicyFile(file: string, text: string): readonly Loaded[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, version: '1.2', strict: true });
  if (documents.length > 1) throw new PortcullisError('policies_invalid', `${file}:1: is more than one document`);
  return [...documents].flatMap((document) => {
    const place = placeOf(file, document, lines);
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) throw refusal(place, [], error.message.split('\n')[0] ?? 'is not YAML');
    if (document.contents === null) return [];
    const clever = cleverYaml(document, text);
    if (clever !== undefined)
      throw refusal({ file, lineOf: () => lines.linePos(clever.offset).line }, [], clever.construct);
    const written: unknown = document.toJS();
    if (canonicalKey(written) === undefined) throw refusal(place, [], 'is nested too deep');
    const parsed = policyDocument.safeParse(written);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw refusal(place, issue?.path ?? [], issue?.message ?? 'is malformed');
    }
    return parsed.data.disabled === true ? [] : [{ policy: parsed.data, document: written, place }];
  });
}

function placeOf(file: string, document: Document, lines: LineCounter): Place {
  const lineAt = (path: readonly PropertyKey[]): number | undefined => {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    return isNode(node) && node.range !== undefined && node.range !== null
      ? lines.linePos(node.range[0]).line
      : undefined;
  };
  return {
    file,
    lineOf(path) {
      for (let length = path.length; length >= 0; length--) {
        const line = lineAt(path.slice(0, length));
        if (line !== undefined) return line;
      }
      return 1;
    },
  };
}

async function readSchemas(folder: string): Promise<ReadonlyMap<string, unknown>> {
  const names = await schemaFiles(folder);
  const files = await readFiles(folder, names.map(inSchemas));
  return new Map(files.map(({ file, text }) => [nameOfSchema(file), readSchema(file, text)]));
}

function readSchema(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PortcullisError('policies_invalid', `${file}:1: is not JSON`, { cause });
  }
}
