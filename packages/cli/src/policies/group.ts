import type { CommandGroup } from '../command.js';
import { build } from './build.js';
import { explain } from './explain.js';
import { test } from './test.js';

/** Commands about policies, without an engine beside them. */
export const policiesGroup: CommandGroup = {
  summary: 'policies, in this process',
  commands: { build, test, explain },
};
