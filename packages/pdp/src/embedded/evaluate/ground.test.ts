import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Work } from '../cel/work.js';
import { compilePolicies } from '../compile/compile.js';
import type { Table } from '../compile/table.js';
import { readFolder } from '../load/folder.js';
import { Grounds, type Ground } from './ground.js';

const head = 'apiVersion: api.cerbos.dev/v1\n';
const resourcePolicy = (kind: string, scope: string): string =>
  `${head}resourcePolicy:\n  resource: ${kind}\n  version: default\n  scope: "${scope}"\n  rules: []\n`;
const files = {
  'note.yaml': resourcePolicy('note', ''),
  'note-acme.yaml': resourcePolicy('note', 'acme'),
  'role-acme.yaml': `${head}rolePolicy:
  role: helper
  scope: acme
  parentRoles: [viewer]
  rules:
    - { resource: "n*", allowActions: ["*"] }
`,
};
let folder: string;
let table: Table;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-ground-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  table = compilePolicies(await readFolder(folder));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('grounds', () => {
  it('are found once for a kind and a place, whichever scopes share the place', () => {
    const grounds = new Grounds(table);
    const payer = { work: new Work() };
    const place = grounds.placeOf('globex', 'default');
    expect(grounds.placeOf('initech.sales', 'default')).toBe(place);
    expect(grounds.groundOf(place, 'note', payer)).toBe(grounds.groundOf(place, 'note', payer));
    expect(grounds.groundOf(place, 'other', payer)).not.toBe(grounds.groundOf(place, 'note', payer));
  });

  it('are of a scope and a version alone where there is more to say', () => {
    const grounds = new Grounds(table);
    const payer = { work: new Work() };
    const base = grounds.placeOf('', 'default');
    const acme = grounds.placeOf('acme', 'default');
    const below = grounds.placeOf('acme.sales', 'default');
    expect(grounds.groundOf(base, 'note', payer).resourcePolicy).toBe('resource.note.vdefault');
    expect(grounds.groundOf(acme, 'note', payer).resourcePolicy).toBe('resource.note.vdefault/acme');
    expect(grounds.groundOf(below, 'note', payer).resourcePolicy).toBe('resource.note.vdefault/acme');
    expect(acme.parentRoles?.get('helper')).toEqual(['viewer']);
    expect(below.parentRoles).toBeUndefined();
    expect(grounds.groundOf(grounds.placeOf('acme', 'v2'), 'note', payer).hasResourcePolicy).toBe(false);
  });

  it('are paid for where patterns are tried, and not again', () => {
    const grounds = new Grounds(table);
    const place = grounds.placeOf('acme', 'default');
    const ask = (): Ground => grounds.groundOf(place, 'nothing', { work: new Work(3) });
    expect(ask).toThrow('costs too much');
    const found = grounds.groundOf(place, 'nothing', { work: new Work() });
    expect(ask()).toBe(found);
  });

  it('know the scopes that were asked for', () => {
    const grounds = new Grounds(table);
    expect(grounds.knownPlace('acme', 'default')).toBeUndefined();
    grounds.placeOf('acme', 'default');
    expect(grounds.knownPlace('acme', 'default')).toBeDefined();
    expect(grounds.knownPlace('acme', 'v2')).toBeUndefined();
    expect(grounds.knownPlace('acme.sales', 'default')).toBeUndefined();
  });

  it('are forgotten where there are too many', () => {
    const grounds = new Grounds(table, 4);
    const payer = { work: new Work() };
    const place = grounds.placeOf('acme', 'default');
    const note = grounds.groundOf(place, 'note', payer);
    for (const kind of ['one', 'two']) grounds.groundOf(place, kind, payer);
    expect(grounds.groundOf(place, 'note', payer)).toBe(note);
    grounds.groundOf(place, 'three', payer);
    expect(grounds.knownPlace('acme', 'default')).toBeUndefined();
    const anew = grounds.groundOf(grounds.placeOf('acme', 'default'), 'note', payer);
    expect(anew).not.toBe(note);
    expect(anew.actions).toBe(note.actions);
  });

  it('are not remembered under long names', () => {
    const grounds = new Grounds(table);
    const payer = { work: new Work() };
    const [kept, long] = ['k'.repeat(100), 'k'.repeat(101)];
    const place = grounds.placeOf(kept, 'default');
    expect(grounds.knownPlace(kept, 'default')).toBe(place);
    grounds.placeOf(long, 'default');
    expect(grounds.knownPlace(long, 'default')).toBeUndefined();
    grounds.placeOf('acme', long);
    expect(grounds.knownPlace('acme', long)).toBeUndefined();
    expect(grounds.groundOf(place, kept, payer)).toBe(grounds.groundOf(place, kept, payer));
    expect(grounds.groundOf(place, long, payer)).not.toBe(grounds.groundOf(place, long, payer));
  });

  it('make room for scopes, too', () => {
    const grounds = new Grounds(table, 4);
    for (const scope of ['a', 'b', 'c', 'd', 'e']) grounds.placeOf(scope, 'default');
    expect(grounds.knownPlace('a', 'default')).toBeUndefined();
    expect(grounds.knownPlace('e', 'default')).toBeDefined();
  });
});
