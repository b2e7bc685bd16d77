import { isAlias, isNode, isPair, isScalar, visit, type Document, type Node, type Scalar } from 'yaml';

/** What of YAML two parsers may read in two ways, and where it stands in the text. */
export interface CleverYaml {
  readonly offset: number;
  readonly construct: string;
}

/**
 * Finds what of YAML means one thing here and may mean another to Cerbos, whose parser is another one: directives,
 * anchors, aliases and tags, the merge key, keys that are null, numbers in other forms than the plain one (`010` is
 * eight to Cerbos, and `1e3` is text), tabs in unquoted text (Cerbos drops them), and constants of several lines (it
 * drops line breaks at the end, and folds others in ways of its own).
 *
 * `__proto__` is found, too: what reads the document would drop such a member without a word.
 *
 * @param text - what the document was parsed from
 */
export function cleverYaml(document: Document, text: string): CleverYaml | undefined {
  // Before its first node a document has comments and directives, and no comment begins with `%`.
  if (/^%/m.test(text.slice(0, document.contents?.range?.[0])))
    return { offset: 0, construct: 'directives are not supported' };
  let found: CleverYaml | undefined;
  visit(document, {
    Node(key, node, path) {
      const construct = constructOf(key, node) ?? (isScalar(node) ? layoutOf(node, path, text) : undefined);
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
  if (!isScalar(node)) return undefined;
  if (key === 'key' && node.value === '__proto__') return 'the key `__proto__` is not supported';
  if (node.type !== 'PLAIN') return undefined;
  const { source = '', value } = node;
  if (key === 'key' && (value === null || source === '<<')) return `the key \`${source}\` is not supported`;
  return isClearlyRead(source)
    ? undefined
    : `\`${source}\` is one thing or another to different parsers: put it in quotes, or write the number out`;
}

/** What of the way in which text is laid out changes it for another parser. */
function layoutOf(node: Scalar, path: Path, text: string): string | undefined {
  const written = node.range ? text.slice(node.range[0], node.range[1]) : '';
  if (node.type === 'PLAIN' && written.includes('\t')) return 'a tab in text without quotes is not supported';
  return isBlockOrLines(node, written) && isConstant(path)
    ? 'a constant of several lines is one thing or another to different parsers: write it in one line, in quotes'
    : undefined;
}

function isBlockOrLines({ type }: Scalar, written: string): boolean {
  return type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED' || /[\r\n]/.test(written);
}

type Path = readonly (Document | Node | { readonly key: unknown })[];

/** Whether this is the way to a part of constants, or of their definitions. */
function isConstant(path: Path): boolean {
  return path.some(
    (part) => isPair(part) && isNode(part.key) && isScalar(part.key) && constants.has(String(part.key.value)),
  );
}

const constants: ReadonlySet<string> = new Set(['constants', 'exportConstants']);

/** Whether unquoted text is a number, or none, to every parser. Most letters are in no form of one: `2nd_line` is text. */
function isClearlyRead(source: string): boolean {
  if (source.startsWith('...')) return false;
  const looksLikeNumber = /^[-+]?\.?\d/.test(source) && /^[-+.\w]+$/.test(source);
  if (!looksLikeNumber || /[g-np-suvwy]/i.test(source)) return true;
  return /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(source) || /^\d{4}-\d\d-\d\d(T\w+)?$/.test(source);
}
