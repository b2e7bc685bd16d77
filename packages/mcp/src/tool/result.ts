import type { CallToolResult, InputRequiredResult } from '@modelcontextprotocol/server';
import { isObject } from '../message.js';

/**
 * Makes a tool result of whatever a handler returned: a result as it is, text as text, anything else as JSON.
 *
 * @param structured - whether the tool declares an output schema, and so returns structured content
 */
export function toToolResult(output: unknown, structured: boolean): CallToolResult | InputRequiredResult {
  if (isResult(output)) return output;
  const text = typeof output === 'string' ? output : JSON.stringify(output ?? null);
  return {
    content: [{ type: 'text', text }],
    ...(structured && isObject(output) ? { structuredContent: { ...output } } : {}),
  };
}

/**
 * Whether a handler returned a result already. Only what sets it apart from data is looked at: before it leaves, the SDK
 * holds content against the protocol's schema and looks at what a request for input asks for, and answers with an error
 * where that does not conform.
 */
function isResult(output: unknown): output is CallToolResult | InputRequiredResult {
  return isObject(output) && (Array.isArray(output['content']) || output['resultType'] === 'input_required');
}
