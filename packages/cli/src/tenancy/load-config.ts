import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UsageError } from '../command.js';
import type { AdoptionPort } from './adoption-port.js';

/** What a configuration gives. */
export interface AdoptionConfig {
  readonly adoption: AdoptionPort;
  /** Closes pools and clients, however it ended. */
  readonly close: () => Promise<void>;
}

/**
 * Loads a module whose default export is a configuration, or a function that gives one. It is a program, and runs with
 * the rights of whoever calls it.
 *
 * @throws UsageError when there is no such module, or it exports something else
 */
export async function loadConfig(path: string): Promise<AdoptionConfig> {
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new UsageError(
      `--config: \`${path}\` cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
  const exported: unknown = member(loaded, 'default');
  const config: unknown = typeof exported === 'function' ? await (exported as () => unknown)() : exported;
  const adoption = member(config, 'adoption');
  const close = member(config, 'close');
  if (!isAdoption(adoption) || (close !== undefined && typeof close !== 'function'))
    throw new UsageError(`--config: \`${path}\` has no default export of the form \`{ adoption, close? }\``);
  return { adoption, close: closing(config, close) };
}

function closing(config: unknown, close: unknown): () => Promise<void> {
  return async () => {
    if (typeof close === 'function') await (close as () => unknown).call(config);
  };
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (Reflect.get(value, name) as unknown) : undefined;
}

function isAdoption(value: unknown): value is AdoptionPort {
  return ['dryRun', 'run', 'finish', 'undo'].every((name) => typeof member(value, name) === 'function');
}
