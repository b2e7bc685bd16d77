import { isAlias, isScalar, visit, type Document, type Node } from 'yaml';

/** What of YAML two parsers may read in two ways, and where it stands in the text. */
export interface CleverYaml {
  readonly offset: number;
  readonly construct: string;
}

/**
 * Finds what of YAML means one thing here and may mean another to Cerbos, whose parser is another one: anchors, aliases
 * and tags, the merge key, keys that are null, and numbers in other forms than the plain one (`010` is eight to Cerbos,
 * and `1e3` is text).
 */
export function cleverYaml(document: Document): CleverYaml | undefined {
  let found: CleverYaml | undefined;
  visit(document, {
    Node(key, node) {
      const construct = constructOf(key, node);
      if (construct === undefined) return undefined;
      found = { offset: node.range?.[0] ?? 0, construct };
      return visit.BREAK;
    },
  });
  return found;
}

function constructOf(key: unknown, node: Node): string | undefined {
  if (isAlias(node) || node.anchor !== undefined || node.tag !== undefined)
    return 'aliases, anchors and tags are not supported';
  if (!isScalar(node) || node.type !== 'PLAIN') return undefined;
  const { source = '', value } = node;
  if (key === 'key' && (value === null || source === '<<')) return `the key \`${source}\` is not supported`;
  return isClearlyRead(source)
    ? undefined
    : `\`${source}\` is one thing or another to different parsers: put it in quotes, or write the number out`;
}

/** Whether unquoted text is a number, or none, to every parser. */
function isClearlyRead(source: string): boolean {
  if (source.startsWith('...')) return false;
  const looksLikeNumber = /^[-+]?\.?\d/.test(source) && /^[-+.\w]+$/.test(source);
  if (!looksLikeNumber) return true;
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(source) || /^\d{4}-\d\d-\d\d(T\w+)?$/.test(source);
}
