import { refused } from '../access.js';

/** The id of an archive, as it may become a folder's name. @throws PortcullisError `storage_refused` */
export function requireArchiveId(id: string): string {
  if (/^[0-9a-z][0-9a-z-]{0,99}$/.test(id)) return id;
  throw refused('an archive id has 1 to 100 characters of `a-z`, `0-9` and `-`');
}

/** The name of an archive's file. @throws PortcullisError `storage_refused` */
export function requireArchiveFile(file: string): string {
  if (/^(?:manifest\.json|\d{1,12})$/.test(file)) return file;
  throw refused('a file of an archive is a number or `manifest.json`');
}
