import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBoundedText } from './bounded-text.js';
import { errorTable, PortcullisError, tokenInvalid, type ErrorCode } from './errors.js';
import { deepFreeze, sealIdentity, sealTenantContext, isSealedIdentity, isSealedTenantContext } from './seal.js';
import { parseStrictJson } from './strict-json.js';
import { isTenantId, tenantId } from './tenant-id.js';

describe('a tenant id', () => {
  it.each(['acme', 'a', 'Acme-2', 'org_1', '72f988bf-86f1-41af-91ab-2d7cd011db47', 'a'.repeat(64)])(
    'is %j',
    (value) => {
      expect(tenantId(value)).toBe(value);
    },
  );

  it.each(['', '-a', '_a', 'a/b', 'a.b', 'a b', 'ä', 'a\n', ' a', 'a'.repeat(65), null, undefined, 7, ['acme'], {}])(
    'is not %j',
    (value) => {
      expect(isTenantId(value)).toBe(false);
      expect(() => tenantId(value)).toThrow(PortcullisError);
    },
  );

  it('is a policy scope as it is', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        if (isTenantId(value)) expect(value).toMatch(/^[0-9a-zA-Z][\w-]*$/);
      }),
    );
  });
});

describe('an error', () => {
  it('has an HTTP status and a JSON-RPC code for every code', () => {
    for (const [code, row] of Object.entries(errorTable)) {
      const error = new PortcullisError(code as ErrorCode);
      expect(error.httpStatus).toBe(row.http);
      expect(error.rpcCode).toBe(row.rpc);
      expect(error.message).toMatch(/^[^A-Z].*[^.]$/);
    }
  });

  it('reads as a plain denial where more would give something away', () => {
    for (const code of ['cross_tenant', 'method_unknown'] as const) {
      const hidden = new PortcullisError(code, 'resource of globex', { data: { secret: 1 }, detail: 'globex' });
      expect(hidden.toPublic()).toEqual(new PortcullisError('denied').toPublic());
    }
  });

  it('never shows its detail or its cause to the caller', () => {
    const error = new PortcullisError('denied', undefined, { detail: 'operators only', cause: new Error('inner') });
    expect(JSON.stringify(error.toPublic())).not.toMatch(/operators|inner/);
  });

  it('names the rule and the claim of a bad token', () => {
    expect(tokenInvalid('claim', 'claim `sub` is missing', { claim: 'sub' }).data).toEqual({
      rule: 'claim',
      claim: 'sub',
    });
  });
});

describe('strict JSON', () => {
  it('reads what JSON.parse reads, when no name is repeated', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseStrictJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    '{"a":1,"a":2}',
    '{"a":{"b":1,"b":1}}',
    '[{"a":1},{"a":1,"a":1}]',
    '{"a":1,"\\u0061":2}',
    '{"a" :1, "a"\n:2}',
    '{"x":"\\"","x":1}',
  ])('refuses the repeated name in %s', (text) => {
    expect(() => parseStrictJson(text)).toThrow(/duplicate member name/);
  });

  it('does not take equal names of different objects, or values, for repeated names', () => {
    expect(parseStrictJson('[{"a":"a"},{"a":["a","a"]}]')).toEqual([{ a: 'a' }, { a: ['a', 'a'] }]);
  });

  it('refuses absurd nesting', () => {
    expect(() => parseStrictJson('['.repeat(100) + ']'.repeat(100))).toThrow(SyntaxError);
  });
});

describe('a bounded body', () => {
  it('is read up to the bound and no further', async () => {
    expect(await readBoundedText(new Response('äbc'), 4)).toBe('äbc');
    await expect(readBoundedText(new Response('abcde'), 4)).rejects.toThrow('too large');
    // A length that is a lie, and one that is of something else: the compressed form.
    await expect(readBoundedText(new Response('abcde', { headers: { 'content-length': '2' } }), 4)).rejects.toThrow(
      'too large',
    );
    let read = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        read += 10;
        controller.enqueue(new Uint8Array(10));
      },
    });
    await expect(
      readBoundedText(new Response(endless, { headers: { 'content-length': '2', 'content-encoding': 'gzip' } }), 4),
    ).rejects.toThrow('too large');
    expect(read).toBeLessThan(100);
    await expect(readBoundedText(new Response('x', { headers: { 'content-length': '99' } }), 4)).rejects.toThrow(
      'too large',
    );
  });
});

describe('a seal', () => {
  it('is not on an object that somebody wrote down', () => {
    const identity = { key: 'x' } as never;
    expect(isSealedIdentity(identity)).toBe(false);
    expect(isSealedTenantContext({ identity })).toBe(false);
    expect(() => sealTenantContext({ identity } as never)).toThrow(TypeError);
    expect(isSealedIdentity({ ...(sealIdentity({ claims: {} } as never) as object) })).toBe(false);
  });

  it('freezes all of it', () => {
    const frozen = deepFreeze({ a: { b: [{ c: 1 }] } });
    expect(() => {
      (frozen.a.b[0] as { c: number }).c = 2;
    }).toThrow(TypeError);
  });
});
