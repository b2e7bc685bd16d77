export { cerbosBinary } from './binary.js';
export { cerbos, type CerbosOptions } from './client.js';
export type { EngineLog } from './process.js';
export { cerbosSidecar, type Sidecar, type SidecarOptions } from './sidecar.js';
export { noRole } from './translate.js';
