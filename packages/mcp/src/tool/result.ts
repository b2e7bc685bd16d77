import type { CallToolResult, InputRequiredResult } from '@modelcontextprotocol/server';
import { isObject } from '../message.js';

/**
 * Makes a tool result of whatever a handler returned: a result as it is, text as text, anything else as JSON.
 *
 * @param structured - whether the tool declares an output schema, and so returns structured content
 */
export function toToolResult(output: unknown, structured: boolean): CallToolResult | InputRequiredResult {
  if (isObject(output) && (Array.isArray(output['content']) || output['resultType'] === 'input_required')) {
    return output as unknown as CallToolResult | InputRequiredResult;
  }
  const text = typeof output === 'string' ? output : JSON.stringify(output ?? null);
  return {
    content: [{ type: 'text', text }],
    ...(structured && isObject(output) ? { structuredContent: { ...output } } : {}),
  };
}
