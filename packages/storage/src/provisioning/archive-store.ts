/**
 * Where archives are kept: named sets of files that are written once, as a whole, and never written over.
 *
 * Ids and file names are made here and not by tenants; a store still takes no others.
 */
export interface ArchiveStore {
  /** Begins an archive. Nobody reads it before `commit`. @throws PortcullisError `conflict` when there is one */
  create(id: string): Promise<ArchiveWriter>;
  /** One file of an archive. @throws PortcullisError `storage_not_provisioned`, on reading, when it is not there */
  read(id: string, file: string): AsyncIterable<Uint8Array>;
  /** Deletes an archive, or what an interrupted one left. What is gone already is no error. */
  remove(id: string): Promise<void>;
}

/** An archive that is being written. */
export interface ArchiveWriter {
  /** Writes one file to its end. @throws PortcullisError `conflict` when there is one of that name */
  write(file: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** From now on the archive is there, also after a crash of the machine. */
  commit(): Promise<void>;
  /** Drops what was written. */
  abort(): Promise<void>;
}
