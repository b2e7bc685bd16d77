import type { CallResult } from './caller.js';

/** One request to the admin API. */
export interface AdminRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Behind `/admin`. */
  readonly path: string;
  readonly body?: unknown;
}

/** How the caller signs in, and why it calls. */
export interface AdminCaller {
  readonly url: string;
  readonly token: string;
  /** Operators say why. */
  readonly reason?: string | undefined;
}

/** What came back, and its JSON. */
export interface AdminResult extends CallResult {
  readonly body: Readonly<Record<string, unknown>>;
}

/** Makes one request; a change is made to the version that was just read, as a careful client does. */
export async function adminCall(caller: AdminCaller, request: AdminRequest): Promise<AdminResult> {
  const { method, path, body } = request;
  const url = `${caller.url}${path}`;
  const headers: Record<string, string> = {
    authorization: `Bearer ${caller.token}`,
    ...(caller.reason === undefined ? {} : { 'x-operator-reason': caller.reason }),
  };
  if (method === 'PATCH' || method === 'PUT') {
    const tag = (await fetch(url, { headers })).headers.get('etag');
    if (tag !== null) headers['if-match'] = tag;
  }
  if (method !== 'GET') headers['idempotency-key'] = crypto.randomUUID();
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = (text === '' ? {} : JSON.parse(text)) as Readonly<Record<string, unknown>>;
  const said = [json['detail'], json['title']].find((text) => typeof text === 'string') ?? '';
  const code = typeof json['code'] === 'string' ? json['code'] : 'failed';
  return response.ok
    ? { outcome: 'allowed', code: '', text: `${String(response.status)} ${text}`, body: json }
    : {
        outcome: 'refused',
        code,
        text: `${String(response.status)} ${said}`,
        body: json,
      };
}
