export { authzen, type AuthzenOptions, type AuthzenPlace, type AuthzenSettings } from './client.js';
export { allowInsecureRequests } from './endpoints.js';
export { serveAuthzen, type AuthzenCall, type AuthzenCaller, type ServeAuthzenOptions } from './serve.js';
export type { Fetch } from './transport.js';
