import type { CommandGroup } from '../command.js';
import { exportTrails } from './export.js';
import { query } from './query.js';
import { verify } from './verify.js';

/** Commands about the audit trail. */
export const auditGroup: CommandGroup = {
  summary: 'the audit trail',
  commands: { verify, query, export: exportTrails },
};
