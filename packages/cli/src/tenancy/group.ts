import type { CommandGroup } from '../command.js';
import { adopt } from './adopt.js';

/** Commands about going from one tenant to many. */
export const tenancyGroup: CommandGroup = {
  summary: 'from a server without tenants to one with them',
  commands: { adopt },
};
