export { adoption } from './adoption.js';
export type {
  Adoption,
  AdoptionCallOptions,
  AdoptionEvent,
  AdoptionOptions,
  AdoptionProgress,
  AdoptionReport,
  AdoptionStepReport,
} from './adoption.js';
export type {
  AdoptionAction,
  AdoptionCall,
  AdoptionCounts,
  AdoptionPlan,
  AdoptionStep,
  FinishOptions,
  Obstacle,
  TakenLock,
  UndoOptions,
} from './adoption-step.js';
export { adoptFolder, type AdoptFolderOptions } from './adopt-folder.js';
export { adoptKeys, type AdoptKeysOptions } from './adopt-keys.js';
export { adoptObjects, type AdoptObjectsOptions } from './adopt-objects.js';
export { adoptRows, type AdoptRowsOptions } from './adopt-rows.js';
export type { AdoptionJob } from './job/adoption-job.js';
export type { AdoptionJournal, Ledger } from './job/adoption-journal.js';
export { folderAdoptionJournal } from './job/folder-adoption-journal.js';
export { memoryAdoptionJournal } from './job/memory-adoption-journal.js';
export type { VerifyRowsOptions } from './rows/rows-work.js';
export type { TableName } from './rows/table-facts.js';
