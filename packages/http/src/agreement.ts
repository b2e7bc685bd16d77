import { PortcullisError, type AttributeValue } from '@portcullis/core';

/** Which member of `params` the `Mcp-Name` header repeats, by method (MCP 2026-07-28, SEP-2243). */
const named: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/result': 'taskId',
  'tasks/cancel': 'taskId',
};

/**
 * Refuses a request whose `Mcp-Method` or `Mcp-Name` header says something else than its body. A gateway may have let
 * the request pass for what the header said; only the body is ever authorized here.
 *
 * @throws PortcullisError `header_mismatch` (JSON-RPC `-32020`)
 * @see MCP specification 2026-07-28, Streamable HTTP, standard request headers
 */
export function requireHeaderAgreement(headers: Headers, body: AttributeValue): void {
  const method = headers.get('mcp-method');
  const name = headers.get('mcp-name');
  if (method === null && name === null) return;
  if (!isObject(body)) throw new PortcullisError('header_mismatch', 'headers name one request and the body is a batch');
  if (body['id'] === undefined && body['method'] === undefined) return;
  if (method !== null && method.trim() !== body['method']) {
    throw new PortcullisError('header_mismatch', 'the Mcp-Method header disagrees with the body');
  }
  const member =
    typeof body['method'] === 'string' && Object.hasOwn(named, body['method']) ? named[body['method']] : undefined;
  if (name === null || member === undefined) return;
  const params = body['params'];
  if (decodeName(name.trim()) !== (isObject(params) ? params[member] : undefined)) {
    throw new PortcullisError('header_mismatch', 'the Mcp-Name header disagrees with the body');
  }
}

/** Values that are not plain header text travel as `=?base64?…?=`. */
function decodeName(value: string): string {
  const encoded = /^=\?base64\?(.*)\?=$/i.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString('utf8');
}

function isObject(value: AttributeValue | undefined): value is Readonly<Record<string, AttributeValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
