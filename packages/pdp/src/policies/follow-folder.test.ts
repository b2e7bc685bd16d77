import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { folderState, followFolder, type FollowOptions, type Follower } from './follow-folder.js';
import { readAtRest } from './read-at-rest.js';

let folder: string;
const followers: Follower[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portcullis-follow-'));
  write('first');
});
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.close()));
  rmSync(folder, { recursive: true });
});
let count = 0;
/** Each edit has another size, so that it is seen as one on file systems with coarse times. */
function write(text: string): void {
  writeFileSync(join(folder, 'note.yaml'), text.padEnd(++count + 20));
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function follow(take: () => string, more: Partial<FollowOptions<string>> = {}) {
  const served: string[] = [];
  const discarded: string[] = [];
  const errors: PortcullisError[] = [];
  const follower = followFolder<string>({
    folder,
    state: await folderState(folder),
    pollMs: 10,
    take: () => Promise.resolve().then(take),
    discard: (snapshot) => Promise.resolve(void discarded.push(snapshot)),
    serve: (snapshot) => void served.push(snapshot),
    onError: (error) => errors.push(error),
    ...more,
  });
  followers.push(follower);
  return { served, discarded, errors };
}
const failedRead = (): PortcullisError =>
  new PortcullisError('policies_invalid', 'note.yaml: cannot be read', {
    cause: Object.assign(new Error('EMFILE'), { code: 'EMFILE', syscall: 'open' }),
  });

describe('following a folder', () => {
  it('serves nothing that was read while somebody wrote', async () => {
    let taken = 0;
    const { served, discarded, errors } = await follow(() => {
      taken++;
      if (taken === 1) write('third');
      return `snapshot ${String(taken)}`;
    });
    write('second');
    await vi.waitFor(() => {
      expect(served).toHaveLength(1);
    }, 5000);
    expect([served, discarded, errors]).toEqual([['snapshot 2'], ['snapshot 1'], []]);
  });

  it.each([0, 10])('reads again, with no other edit, where the machine failed (polling: %i)', async (pollMs) => {
    let taken = 0;
    const { served, errors } = await follow(
      () => {
        if (++taken <= 2) throw failedRead();
        return 'good';
      },
      { pollMs },
    );
    write('second');
    await vi.waitFor(() => {
      expect(served).toEqual(['good']);
    }, 5000);
    expect(errors.map(({ message }) => message)).toEqual(['note.yaml: cannot be read']);
  });

  it('does not read again what is wrong, until it is edited', async () => {
    let taken = 0;
    const { errors } = await follow(() => {
      taken++;
      throw new PortcullisError('policies_invalid', 'no policy');
    });
    write('second');
    await vi.waitFor(() => {
      expect(errors).toHaveLength(1);
    }, 5000);
    await pause(300);
    expect([taken, errors.length]).toEqual([1, 1]);
    write('third');
    await vi.waitFor(() => {
      expect(errors).toHaveLength(2);
    }, 5000);
  });

  it.each([0, 10])(
    'tells once of a folder that is never quiet, and serves it when it is (polling: %i)',
    async (pollMs) => {
      const { served, errors } = await follow(() => 'good', { pollMs, restlessMs: 300 });
      for (let edits = 0; edits < 40; edits++) {
        write('more');
        await pause(20);
      }
      expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('all the time')]);
      await vi.waitFor(() => {
        expect(served).toEqual(['good']);
      }, 5000);
      expect(errors).toHaveLength(1);
    },
  );

  it('does not call a folder restless that is quiet', async () => {
    const { served, errors } = await follow(() => 'good', { restlessMs: 300 });
    write('second');
    await vi.waitFor(() => {
      expect(served).toEqual(['good']);
    }, 5000);
    await pause(500);
    expect(errors).toEqual([]);
  });
});

describe('reading a folder at rest', () => {
  it.each(['good', 'bad'])('reads again what was %s while somebody wrote', async (first) => {
    let taken = 0;
    const { value, state } = await readAtRest(folder, () => {
      if (++taken > 1) return Promise.resolve('good');
      write('second');
      return first === 'good' ? Promise.resolve('half') : Promise.reject(new Error('half'));
    });
    expect([value, taken]).toEqual(['good', 2]);
    expect(state).toBe(await folderState(folder));
  });

  it('gives up where somebody writes all the time', async () => {
    const read = (): Promise<void> => {
      write('more');
      return Promise.resolve();
    };
    await expect(readAtRest(folder, read)).rejects.toMatchObject({ code: 'policies_invalid' });
  });
});
