import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PortcullisError } from '@portcullis/core';
import { folderState, followFolder, unreadable, type FollowOptions, type Follower } from './follow-folder.js';
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

async function follow(take: () => string | Promise<string>, more: Partial<FollowOptions<string>> = {}) {
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
  return { follower, served, discarded, errors };
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
      { pollMs, restlessMs: 1800 },
    );
    write('second');
    await vi.waitFor(() => {
      expect(served).toEqual(['good']);
    }, 5000);
    expect(errors.map(({ message }) => message)).toEqual(['note.yaml: cannot be read']);
  });

  it.each([
    ['that is none of ours', new Error('EIO')],
    ['of the engine', new PortcullisError('pdp_unavailable', 'the engine does not start')],
  ])('reads again after a failure %s', async (_name, failure) => {
    let taken = 0;
    const { served, errors } = await follow(() => {
      if (++taken === 1) throw failure;
      return 'good';
    });
    write('second');
    await vi.waitFor(() => {
      expect(served).toEqual(['good']);
    }, 5000);
    expect(errors.map(({ code }) => code)).toEqual(['pdp_unavailable']);
  });

  it('serves a folder that comes later', async () => {
    const later = join(folder, 'later');
    const { served } = await follow(() => 'good', { folder: later, state: unreadable });
    mkdirSync(later);
    await vi.waitFor(() => {
      expect(served).toEqual(['good']);
    }, 5000);
  });

  it('reads again what was changed and taken back while it was read', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'portcullis-follow-'));
    const file = join(elsewhere, 'memo.yaml');
    writeFileSync(file, 'memo');
    utimesSync(file, 1000, 1000);
    symlinkSync(file, join(folder, 'memo.yaml'));
    let taken = 0;
    const { served } = await follow(
      () => {
        taken++;
        if (taken === 1) utimesSync(file, 2000, 2000);
        return `snapshot ${String(taken)}`;
      },
      {
        pollMs: 0,
        discard: () => {
          utimesSync(file, 1000, 1000);
          return Promise.resolve();
        },
      },
    );
    write('second');
    await vi.waitFor(() => {
      expect(served).toEqual(['snapshot 2']);
    }, 5000);
    rmSync(elsewhere, { recursive: true });
  });

  it('tells of a failure once, until something was served', async () => {
    const attempts = ['fails', 'is half', 'fails', 'good', 'fails', 'good'];
    const { served, errors } = await follow(() => {
      const attempt = attempts.shift() ?? 'one too many';
      if (attempt === 'fails') throw failedRead();
      if (attempt === 'is half') write('more');
      return attempt;
    });
    for (const times of [1, 2]) {
      write('next');
      await vi.waitFor(() => {
        expect(served).toHaveLength(times);
      }, 5000);
      expect(errors).toHaveLength(times);
    }
    expect(attempts).toEqual([]);
  });

  it('does not read again what is wrong, until it is edited', async () => {
    let taken = 0;
    const { errors } = await follow(() => {
      taken++;
      throw new PortcullisError('policies_invalid', 'no policy', { cause: new SyntaxError('no JSON') });
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

  it.each([
    ['served', false],
    ['taken back', true],
  ])('does not count for a second edit the time since one that was %s', async (_name, isTakenBack) => {
    const file = join(folder, 'note.yaml');
    utimesSync(file, 1000, 1000);
    const { served, errors } = await follow(() => 'good', { restlessMs: 1000 });
    utimesSync(file, 2000, 2000);
    await pause(isTakenBack ? 60 : 900);
    if (isTakenBack) {
      utimesSync(file, 1000, 1000);
      await pause(840);
    }
    expect(served).toHaveLength(isTakenBack ? 0 : 1);
    utimesSync(file, 3000, 3000);
    await vi.waitFor(() => {
      expect(served).toHaveLength(isTakenBack ? 1 : 2);
    }, 5000);
    expect(errors).toEqual([]);
  });

  it('does not tell of an edit what was to be told of the one before', async () => {
    const { served, errors } = await follow(() => pause(1200).then(() => 'good'), {
      restlessMs: 1000,
      serve: async (snapshot) => {
        served.push(snapshot);
        if (served.length > 1) return;
        write('third');
        await pause(100);
      },
    });
    write('second');
    await vi.waitFor(() => {
      expect(served).toHaveLength(1);
    }, 5000);
    await pause(400);
    expect(errors).toEqual([]);
  });

  it('does not call a folder restless in which only what is not looked at is written', async () => {
    mkdirSync(join(folder, '.git'));
    const { errors } = await follow(() => 'good', { pollMs: 0, restlessMs: 300 });
    for (let edits = 0; edits < 30; edits++) {
      writeFileSync(join(folder, '.git', 'index'), String(edits));
      await pause(20);
    }
    expect(errors).toEqual([]);
  });

  it('takes nothing, and starts no timer, once it is closed', async () => {
    let fail = (_error: Error): void => undefined;
    let taken = 0;
    const { follower, errors } = await follow(() => {
      taken++;
      return new Promise((_resolve, reject) => {
        fail = reject;
      });
    });
    write('second');
    await vi.waitFor(() => {
      expect(taken).toBe(1);
    }, 5000);
    // Meanwhile it is looked at the folder many times, one after the other.
    await pause(100);
    const closed = follower.close();
    const started = vi.spyOn(globalThis, 'setTimeout');
    fail(failedRead());
    await closed;
    expect([taken, errors, started.mock.calls.length]).toEqual([1, [], 0]);
    started.mockRestore();
  });

  it('is closed when what it was at is over', async () => {
    const order: string[] = [];
    let isTaking = (): void => undefined;
    const taking = new Promise<void>((resolve) => {
      isTaking = resolve;
    });
    const { follower } = await follow(async () => {
      isTaking();
      await pause(50);
      order.push('taken');
      return 'late';
    });
    write('second');
    await taking;
    await follower.close();
    order.push('closed');
    expect(order).toEqual(['taken', 'closed']);
  });

  it('has three timers at most, and none once it is closed', async () => {
    const real = setTimeout;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
    try {
      const { follower } = await follow(() => 'good');
      for (let edits = 0; edits < 5; edits++) {
        write('more');
        await new Promise((resolve) => real(resolve, 50));
      }
      expect(vi.getTimerCount()).toBe(3);
      await follower.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
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

describe('the state of a folder', () => {
  const changes: readonly [string, (file: string) => void][] = [
    ['time', (file) => utimesSync(file, 2000, 2000)],
    [
      'size',
      (file) => {
        writeFileSync(file, 'other text');
        utimesSync(file, 1000, 1000);
      },
    ],
    [
      'place on the disk',
      (file) => {
        writeFileSync(`${folder}/.git`, 'memo');
        utimesSync(`${folder}/.git`, 1000, 1000);
        renameSync(`${folder}/.git`, file);
      },
    ],
  ];
  it.each(changes)('is another one when a file has another %s', async (_name, change) => {
    const file = join(folder, 'memo.yaml');
    writeFileSync(file, 'memo');
    utimesSync(file, 1000, 1000);
    const before = await folderState(folder);
    expect(await folderState(folder)).toBe(before);
    change(file);
    expect(await folderState(folder)).not.toBe(before);
  });

  it('does not count what is empty', async () => {
    const before = await folderState(folder);
    mkdirSync(join(folder, 'empty'));
    expect(await folderState(folder)).toBe(before);
  });
});
