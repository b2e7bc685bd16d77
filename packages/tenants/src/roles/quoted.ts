/**
 * A text in double quotes that means the same to YAML, to CEL and to a reader.
 *
 * Letters, digits and harmless ASCII stand as they are. Everything else is escaped: both kinds of quotes, the
 * backslash, line ends, invisible characters, those that turn the direction of writing. So the result can stand in a
 * YAML comment, in single or double quotes of YAML, and in an expression.
 */
export function quoted(text: string): string {
  return `"${text.replace(/[^\p{L}\p{N} !#$%&()*+,\-./:;<=>?@[\]^_{|}~]/gu, escape)}"`;
}

/** Reads what `quoted` wrote. @returns `undefined` for anything else */
export function unquoted(text: string): string | undefined {
  if (!/^".*"$/s.test(text)) return undefined;
  const value = text
    .slice(1, -1)
    .replace(/\\u([0-9A-F]{4})|\\U00([0-9A-F]{6})/g, (all: string, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long ?? '', 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    });
  return quoted(value) === text ? value : undefined;
}

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16).toUpperCase();
  return code > 0xffff ? `\\U${digits.padStart(8, '0')}` : `\\u${digits.padStart(4, '0')}`;
}
