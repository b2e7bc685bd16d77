import type { parseArgs } from 'node:util';

/** One command of a group: `portcullis GROUP COMMAND`. */
export interface Command {
  /** What it does, in a line. */
  readonly summary: string;
  /** The whole help text. */
  readonly help: string;
  /**
   * @returns the exit code: 0 for good, 1 for findings, 2 for what could not be done
   * @throws UsageError for arguments that cannot be understood
   */
  run(args: readonly string[]): Promise<number>;
}

/** Commands about one thing. */
export interface CommandGroup {
  readonly summary: string;
  readonly commands: Readonly<Record<string, Command>>;
}

/** The arguments cannot be understood: told with the command's help. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs `parseArgs`, whose complaints are about usage. */
export function usage<T extends ReturnType<typeof parseArgs>>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Writes a line to standard output, and waits until it is taken. */
export function say(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

/** Whether to use colours: on a terminal, unless `NO_COLOR` is set. */
export function hasColour(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}

/** What comes from somebody's data moves no cursor and changes no colour. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\uFFFD');
}
