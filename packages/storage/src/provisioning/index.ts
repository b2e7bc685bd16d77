export type { ArchiveStore, ArchiveWriter } from './archive-store.js';
export { fileJournal } from './file-journal.js';
export type { TenantPlace } from './files-resource.js';
export { folderArchive } from './folder-archive.js';
export { folderResource, type ArchivableFolder, type OperatorFolders } from './folder-resource.js';
export type { ArchiveRef, TenantJob } from './job.js';
export type { JobJournal, JournalEntry } from './job-journal.js';
export { keysResource, type OperatorKeys } from './keys-resource.js';
export type { LifecycleCallOptions, ProvisionOptions, TenantLifecycle } from './lifecycle.js';
export type { TenantLifecycleOptions } from './lifecycle-options.js';
export type { LifecycleReport, LifecycleStatus, SweepReport } from './lifecycle-report.js';
export { memoryArchive, type MemoryArchive } from './memory-archive.js';
export { memoryJournal } from './memory-journal.js';
export {
  objectsResource,
  type ArchivableObjects,
  type ObjectsResourceOptions,
  type OperatorObjects,
} from './objects-resource.js';
export { rowsResource, type RowsResourceOptions } from './rows-resource.js';
export { schemaResource, type SchemaResourceOptions } from './schema-resource.js';
export { sqlJournal, type SqlJournal } from './sql-journal.js';
export type { LifecycleProgress, StepReport } from './step.js';
export { tenantLifecycle } from './tenant-lifecycle.js';
export type { NewTenantRecord, TenantRecords } from './tenant-records.js';
export type { Counts, ResourceCall, ResourceEntry, TenantResource } from './tenant-resource.js';
