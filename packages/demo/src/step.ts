import type { Client } from '@modelcontextprotocol/client';
import type { AdminRequest } from './admin-call.js';
import { callTool } from './caller.js';

/** Who logs in where. */
export const providers = {
  alice: 'Auth0',
  bob: 'Entra ID',
  carol: 'Cognito',
  dana: 'Auth0',
  olga: 'Okta',
  mallory: '(none)',
} as const;

interface Common {
  readonly caller: keyof typeof providers;
  readonly what: string;
  /** `allow`, or the code of the refusal. */
  readonly expected: string;
  /** What the answer has to contain. */
  readonly contains?: string;
  /** What it must not contain. */
  readonly lacks?: string;
  readonly before?: () => Promise<void>;
}

/** Something that is done with a real MCP client. */
interface ClientStep extends Common {
  readonly tenant?: string;
  readonly approve?: boolean;
  /** The client names the operator's grant. */
  readonly withGrant?: boolean;
  readonly use: (client: Client) => Promise<string>;
}

/** A request to the admin API. */
interface AdminStep extends Common {
  readonly admin: AdminRequest;
}

/** One step of the story. */
export type Step = ClientStep | AdminStep;

/** Calls a tool. */
export const tool =
  (name: string, args: Readonly<Record<string, unknown>> = {}) =>
  (client: Client): Promise<string> =>
    callTool(client, name, args);

/** Lists the tools. */
export const list = async (client: Client): Promise<string> => {
  const { tools } = await client.listTools();
  return `${String(tools.length)} tools: ${tools.map(({ name }) => name).join(', ')}`;
};
