import { UsageError } from '../command.js';

/**
 * The policy folder that a command is given; `./policies` without.
 *
 * @throws UsageError for more than one
 */
export function folderOf([folder = './policies', ...more]: readonly string[]): string {
  if (more.length > 0) throw new UsageError('one folder, please');
  return folder;
}
