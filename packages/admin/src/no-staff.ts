import { PortcullisError } from '@portcullis/core';
import type { Parts } from './parts.js';

/**
 * Refuses an identity provider that vouches for operators, whoever asks: by a membership or a binding an operator would be
 * in the tenant without a grant, a reason, an end and a second person.
 *
 * @param provider - its name, or the key of one of its users
 * @throws PortcullisError `denied`
 */
export function requireNoStaff({ operators }: Pick<Parts, 'operators'>, provider: string): void {
  // No name of a provider has a `#`.
  const [name = ''] = provider.split('#', 1);
  if (operators?.isOperatorProvider(name) === true)
    throw new PortcullisError(
      'denied',
      'whom an operators’ identity provider vouches for is in a tenant by a grant only',
      {
        data: { provider: name },
      },
    );
}
