import { describe, expect, it } from 'vitest';
import { compileMapping } from '../mapping/declared.js';
import type { ResourceRef } from './authorize.js';
import { expressAsMapping } from './express.js';

interface Args {
  readonly id: string;
  readonly 'odd name': string;
  readonly box: { readonly id: string };
}
const express = (resource?: (args: Args, context: never) => ResourceRef | undefined | Promise<ResourceRef>) =>
  expressAsMapping<Args, never>({ kind: 'note', action: 'read', resource: resource as never });

const decide = (args: Args): ResourceRef => ({ id: (args.id as unknown) === 'a' ? 'b' : 'c' });
const tools = { decide };

describe('a typed authorization, said as a mapping', () => {
  it('is said where it picks members out of the arguments', () => {
    const mapping = express((args) => ({
      id: args.box.id,
      attr: { odd: args['odd name'], fixed: 7, list: [args.id, true, null], price: '$5' },
    }));
    expect(mapping).toEqual({
      evaluation: {
        action: { name: 'read' },
        resource: {
          type: 'note',
          id: '$params.arguments.box.id',
          properties: {
            odd: '$params.arguments["odd name"]',
            fixed: 7,
            list: ['$params.arguments.id', true, null],
            price: '$$5',
          },
        },
        context: { agent: '$token.?client_id' },
      },
    });
    expect(() => compileMapping(mapping)).not.toThrow();
  });

  it('is said for a kind as a whole', () => {
    expect(express()).toMatchObject({ evaluation: { resource: { type: 'note', id: '*' } } });
  });

  it.each<readonly [string, Parameters<typeof express>[0]]>([
    ['computes', ({ id }) => ({ id: `note-${id}` })],
    ['compares', ({ id }) => ({ id: id === 'a' ? 'b' : 'c', attr: { known: 'x' in { id } } })],
    ['branches', (args) => (args.id.startsWith('a') ? { id: args.id } : undefined)],
    ['compares on the side', ({ id }) => ({ id, attr: { own: id === 'a' } })],
    ['asks whether there is one', ({ id }) => ({ id, attr: { known: id ? 'yes' : 'no' } })],
    ['negates', ({ id }) => ({ id, attr: { unknown: !id } })],
    ['has a default', ({ id = 'x' }: Partial<Args>) => ({ id })],
    ['leaves the deciding to somebody else', (args) => decide(args)],
    ['leaves it to a method', (args) => tools.decide(args)],
    ['finds nothing', () => undefined],
    ['waits', ({ id }) => Promise.resolve({ id })],
    ['fails while it waits', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['looks at its context', (_args, context) => ({ id: (context as { tenant: { id: string } }).tenant.id })],
    ['lists the arguments', (args) => ({ id: Object.keys(args).join() })],
    ['spreads the arguments', (args) => ({ id: 'x', attr: { ...(args as unknown as Record<string, string>) } })],
    ['asks what there is', (args) => ({ id: 'id' in args ? 'a' : 'b' })],
    [
      'writes to them',
      (args) => {
        (args as { id: string }).id = 'b';
        return { id: args.id };
      },
    ],
    ['has an id that is no text', () => ({ id: 7 as never })],
    ['says what JSON cannot', () => ({ id: 'x', attr: { size: 1n as never } })],
  ])('is not said where it %s', (_name, resource) => {
    expect(express(resource)).toBeUndefined();
  });
});
