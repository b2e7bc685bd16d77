import { parseStrictJson, PortcullisError, type AttributeValue } from '@portcullis/core';

/**
 * Reads a request's JSON body once, so that what is authorized is what is served.
 *
 * @param maxBytes - the largest body that is read, in bytes
 * @returns the parsed body, or `undefined` for an empty one or one that is not JSON (the server answers those)
 * @throws PortcullisError `request_too_large`; `request_invalid` for duplicate member names or absurd nesting
 */
export async function readJsonBody(request: Request, maxBytes: number): Promise<{ readonly text: string; readonly json: AttributeValue | undefined }> {
  const text = await readText(request, maxBytes);
  try {
    return { text, json: parseStrictJson(text) };
  } catch (error) {
    if (!isJson(text)) return { text, json: undefined };
    throw new PortcullisError('request_invalid', error instanceof SyntaxError ? error.message : undefined, { cause: error });
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
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw new PortcullisError('request_too_large');
  if (request.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new PortcullisError('request_too_large');
    chunks.push(chunk);
  }
  return decoder.decode(Buffer.concat(chunks));
}

const decoder = new TextDecoder('utf-8', { fatal: false });
