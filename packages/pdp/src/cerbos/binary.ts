import { createRequire } from 'node:module';
import { PortcullisError } from '@portcullis/core';

/**
 * The path of the PDP binary that the npm package `cerbos` brings for this platform.
 *
 * @throws PortcullisError `config_invalid` where npm carries none, naming the alternatives
 */
export function cerbosBinary(platform: string = process.platform, arch: string = process.arch): string {
  const name = `cerbos-${platform}-${arch}`;
  try {
    // The binaries are optional dependencies of `cerbos`, and are found from there.
    const from = createRequire(createRequire(import.meta.url).resolve('cerbos/package.json'));
    return from.resolve(`@cerbos/${name}/${name}`);
  } catch (cause) {
    throw new PortcullisError(
      'config_invalid',
      `npm brings no cerbos binary for ${platform}-${arch}: install the package \`cerbos\`, or run a PDP elsewhere and use cerbos(target)`,
      { cause },
    );
  }
}
