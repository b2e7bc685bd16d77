import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/core';

/** One step of an application's schema. */
export interface Migration {
  readonly name: string;
  /** SQL: any number of statements, none of which needs to be outside a transaction. */
  readonly sql: string;
  /** SHA-256 of the SQL, in hexadecimal. */
  readonly checksum: string;
}

/** A migration of some SQL. */
export function migration(name: string, sql: string): Migration {
  return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

/**
 * Reads the `*.sql` files of a folder, in the order of their names: `0001-notes.sql`, `0002-tags.sql`.
 *
 * @throws PortcullisError `config_invalid` when the folder cannot be read or has no migrations
 */
export async function readMigrations(folder: string): Promise<readonly Migration[]> {
  let names: readonly string[];
  try {
    names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  } catch (cause) {
    throw new PortcullisError('config_invalid', 'the folder of migrations cannot be read', { detail: folder, cause });
  }
  if (names.length === 0)
    throw new PortcullisError('config_invalid', 'the folder has no migrations', { detail: folder });
  return Promise.all(
    names.map(async (name) => migration(name.slice(0, -'.sql'.length), await readFile(join(folder, name), 'utf8'))),
  );
}
