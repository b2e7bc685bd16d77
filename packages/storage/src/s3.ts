export { bucketPerTenant, type BucketPerTenant, type BucketPerTenantOptions } from './objects/bucket-per-tenant.js';
export { s3Storage, type S3Storage, type S3StorageOptions } from './objects/s3-storage.js';
export type {
  ObjectCallOptions,
  ObjectContent,
  ObjectDescription,
  ObjectHead,
  ObjectInfo,
  ObjectListOptions,
  ObjectPage,
  ObjectUploads,
  PutObjectOptions,
  SignedGetOptions,
  SignedPutOptions,
  SignedRequest,
  StoredObject,
  StreamedObject,
  TenantObjects,
  UploadedPart,
  WriteCondition,
} from './objects/tenant-objects.js';
