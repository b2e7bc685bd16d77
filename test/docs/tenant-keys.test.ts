import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tenantId } from '@portcullis/core';
import { tenantKey, tenantPrefix } from '@portcullis/storage';
import { bucketPerTenant } from '@portcullis/storage/s3';
import { pathOfKey, tenantFolder } from '../../packages/storage/src/folder/path-codec.js';
import { root } from './pages.js';

/** The rows of a table of the page, as they are written in code: a row with words in it is for people. */
function rows(heading: string): readonly (readonly string[])[] {
  const text = readFileSync(join(root, 'docs', 'reference', 'tenant-keys.md'), 'utf8');
  const [, table = ''] = text.split(`| ${heading} |`);
  return (table.split('\n\n')[0] ?? '')
    .split('\n')
    .map((line) => line.split('|').map((cell) => /^ `([^`]*)`(?: \([^)]*\))? $/.exec(cell)?.[1]))
    .map((cells) => cells.filter((cell) => cell !== undefined));
}

it('tenants are written as the specification says', () => {
  const { bucketOf } = bucketPerTenant({ prefix: 'notes-data' });
  const vectors = rows('tenant').filter((cells) => cells.length === 4);
  expect(vectors.length).toBeGreaterThan(5);
  for (const [tenant = '', ...names] of vectors)
    expect([tenantPrefix(tenant), bucketOf(tenantId(tenant)), tenantFolder(tenant)]).toEqual(names);
});

it('keys are written as the specification says', () => {
  const vectors = rows('key').filter((cells) => cells.length === 3);
  expect(vectors.length).toBeGreaterThan(5);
  for (const [key = '', ...names] of vectors) expect([tenantKey('acme', key), pathOfKey(key).join('/')]).toEqual(names);
});
