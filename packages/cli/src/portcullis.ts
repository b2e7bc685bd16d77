import { UsageError, type CommandGroup } from './command.js';

/** All groups of commands. A group is loaded when it is asked for. */
const groups: Readonly<Record<string, () => Promise<CommandGroup>>> = {
  audit: async () => (await import('./audit/group.js')).auditGroup,
  policies: async () => (await import('./policies/group.js')).policiesGroup,
  tenancy: async () => (await import('./tenancy/group.js')).tenancyGroup,
};

async function help(): Promise<string> {
  const lines = ['Usage: portcullis <group> <command> [options]', ''];
  for (const [name, load] of Object.entries(groups)) {
    const { summary, commands } = await load();
    lines.push(`${name}: ${summary}`);
    for (const [command, { summary: what }] of Object.entries(commands)) lines.push(`  ${command.padEnd(10)} ${what}`);
  }
  lines.push('', 'portcullis <group> <command> --help says more. Exit codes: 0 good, 1 findings, 2 could not be done.');
  return lines.join('\n');
}

/**
 * Runs a command.
 *
 * @param args - the group, the command, and its own
 * @returns the exit code: 0 good, 1 findings, 2 could not be done
 */
export async function portcullis(args: readonly string[]): Promise<number> {
  const [groupName = '', commandName = '', ...rest] = args;
  if (groupName === '--help' || groupName === 'help') {
    process.stdout.write(`${await help()}\n`);
    return 0;
  }
  const group = Object.hasOwn(groups, groupName) ? await groups[groupName]?.() : undefined;
  const command =
    group !== undefined && Object.hasOwn(group.commands, commandName) ? group.commands[commandName] : undefined;
  if (command === undefined) {
    console.error(
      `portcullis: there is no command \`${[groupName, commandName].join(' ').trim()}\`\n\n${await help()}`,
    );
    return 2;
  }
  if (rest.includes('--help')) {
    process.stdout.write(command.help);
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    console.error(`portcullis ${groupName} ${commandName}: ${messageOf(error)}`);
    if (error instanceof UsageError) console.error(`\n${command.help}`);
    return 2;
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const detail = 'detail' in error && typeof error.detail === 'string' ? `: ${error.detail}` : '';
  return `${error.message}${detail}`;
}
