export { memorySessions } from './serve/memory-sessions.js';
export { memoryApprovalStore, type ApprovalStore } from './approval/store.js';
export {
  humanApproval,
  type ObligationCall,
  type ObligationHandler,
  type ObligationHandlers,
} from './enforce/obligations.js';
export type { ScopeImplications } from './enforce/scopes.js';
export {
  portcullis,
  type Gate,
  type GateParts,
  type ToolArguments,
  type ToolConfig,
  type ToolHandler,
  type ToolOutput,
} from './gate.js';
export { mappingMember, type DeclaredMapping } from './mapping/declared.js';
export { methodTable, type MethodRow } from './mapping/table.js';
export type { HttpOptions, McpEndpoint } from './serve/http.js';
export type { GateOptions } from './serve/options.js';
export type { SessionOptions } from './serve/sessions.js';
export type { StdioPrincipal } from './serve/stdio.js';
export type { Authorize, AuthorizeContext, ResourceRef, TypedAuthorize } from './tool/authorize.js';
export type { ResourceQuery, ToolContext } from './tool/context.js';
export type { GuardableServer, GuardedServer } from './transport/guard-server.js';
