import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { readFolder } from '../load/folder.js';
import { compilePolicies } from './compile.js';
import type { Table } from './table.js';

const policy = `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: note
  version: default
  variables: { local: { mine: R.attr.owner == P.id } }
  rules:
    - actions: [read]
      effect: EFFECT_ALLOW
      roles: [member, guest]
      condition:
        match:
          all:
            of:
              - expr: V.mine
              - any: { of: [{ expr: R.attr.open }, { none: { of: [{ expr: R.attr.locked }] } }] }
      output: { when: { ruleActivated: R.id } }
    - { actions: [write], effect: EFFECT_ALLOW, roles: [member], condition: { match: { expr: 'R.attr.tags.exists(t, t == P.id)' } } }
`;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A table, and a file that it was made of, held by nothing else. */
async function compiled(): Promise<{ readonly table: Table; readonly file: WeakRef<object> }> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-compile-'));
  try {
    writeFileSync(join(folder, 'note.yaml'), policy);
    const read = await readFolder(folder);
    const place = read.policies[0]?.place;
    if (place === undefined) throw new Error('nothing was read');
    return { table: compilePolicies(read), file: new WeakRef(place) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it('holds nothing of the files that it was compiled from: they take more memory than itself', async () => {
  const { table, file } = await compiled();
  // A reference that was looked at is held until the end of the task.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(file.deref()).toBeUndefined();
  expect(table.resourceScopes.size).toBe(1);
});

it('has one row for all roles of a rule', async () => {
  const { table } = await compiled();
  const byRole = table.resourceScopes.get('')?.versions.get('default')?.get('note')?.actions.get('read');
  expect(byRole?.get('guest')).toHaveLength(1);
  expect(byRole?.get('guest')).toBe(byRole?.get('member'));
});
