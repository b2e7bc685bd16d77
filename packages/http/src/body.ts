import {
  parseStrictJson,
  PortcullisError,
  readBoundedText,
  TooLargeError,
  type AttributeValue,
} from '@portcullis/core';

/**
 * Reads a request's JSON body once, so that what is authorized is what is served.
 *
 * @param maxBytes - the largest body that is read, in bytes
 * @returns the parsed body, or `undefined` for an empty one or one that is not JSON (the server answers those)
 * @throws PortcullisError `request_too_large`; `request_invalid` for duplicate member names or absurd nesting
 */
export async function readJsonBody(request: Request, maxBytes: number): Promise<AttributeValue | undefined> {
  const text = await readText(request, maxBytes);
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!isJson(text)) return undefined;
    throw new PortcullisError('request_invalid', error instanceof SyntaxError ? error.message : undefined, {
      cause: error,
    });
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  try {
    return await readBoundedText(request, maxBytes);
  } catch (cause) {
    if (cause instanceof TooLargeError) throw new PortcullisError('request_too_large', undefined, { cause });
    throw new PortcullisError('request_invalid', 'the body cannot be read', { cause });
  }
}
