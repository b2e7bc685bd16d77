import { open } from 'node:fs/promises';

/** Flushes a folder's names to the disk, so that a file that was moved there is there after a crash. */
export async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders as files, and keeps its names by its own journal.
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
