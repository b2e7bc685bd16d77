import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync, mkdtempSync, mkdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import grpc from '@grpc/grpc-js';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { PortcullisError, tenantId, type CheckRequest, type PolicyDecisionPoint } from '@portcullis/core';
import { cerbos, cerbosBinary, cerbosSidecar, type Sidecar, type SidecarOptions } from '@portcullis/pdp/cerbos';
import { policy } from '../e2e/harness.js';

const question = (count = 1, actions: readonly string[] = ['read']): CheckRequest => ({
  principal: { id: 'alice', roles: ['member'], attr: { tenant: 'acme' } },
  scope: 'acme',
  questions: Array.from({ length: count }, (_none, index) => ({
    resource: { kind: 'note', id: `n${String(index)}`, tenant: tenantId('acme'), attr: {} },
    actions,
  })),
});
const good = policy(
  'note',
  '    - { actions: ["read"], effect: EFFECT_ALLOW, roles: ["member"], condition: { match: { expr: R.attr.tenant == P.attr.tenant } } }',
);
const temporary: string[] = [];

function folder(files: Readonly<Record<string, string>> = { 'note.yaml': good }): string {
  const made = mkdtempSync(join(tmpdir(), 'portcullis-pol-'));
  temporary.push(made);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made, name), text);
  return made;
}
afterAll(() => {
  for (const made of temporary) rmSync(made, { recursive: true, force: true });
});

/** The outcome of a question, and how long it took. */
async function ask(pdp: PolicyDecisionPoint, request = question()): Promise<{ outcome: string; ms: number }> {
  const startedAt = performance.now();
  const outcome = await pdp.check(request).then(
    (answers) =>
      answers
        .flat()
        .map(({ effect }) => effect)
        .join(),
    (error: unknown) => (error instanceof PortcullisError ? error.code : `unexpected ${String(error)}`),
  );
  return { outcome, ms: performance.now() - startedAt };
}

async function until(check: () => Promise<boolean> | boolean, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; !(await check());) {
    if (Date.now() > end) throw new Error('it did not come to that in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const deadlineMs = 400;
const margin = 400;

/** The engine below a sidecar’s supervisor. */
function engineOf({ pid }: Sidecar): number {
  const lines = execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' }).split('\n');
  const line = lines.find((each) => Number(each.trim().split(/\s+/)[1]) === pid && /cerbos-\S+ server/.test(each));
  return Number(line?.trim().split(/\s+/)[0]);
}

describe('an engine that is in trouble', () => {
  let pdp: Sidecar;
  afterEach(async () => {
    await pdp.close();
  });
  const start = async (options: Partial<SidecarOptions> = {}): Promise<Sidecar> => {
    pdp = await cerbosSidecar({ policies: folder(), deadlineMs, onPolicyError: () => undefined, ...options });
    return pdp;
  };

  it('that is killed is a denial of its own kind, and comes back by itself', async () => {
    await start();
    expect((await ask(pdp)).outcome).toBe('allow');
    process.kill(engineOf(pdp), 'SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 10));
    const { outcome, ms } = await ask(pdp);
    expect(outcome).toBe('pdp_unavailable');
    expect(ms).toBeLessThan(deadlineMs + margin);
    await until(async () => (await ask(pdp)).outcome === 'allow');
  });

  it('that is killed in the middle of a call denies it', async () => {
    await start();
    const engine = engineOf(pdp);
    process.kill(engine, 'SIGSTOP');
    const pending = ask(pdp);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.kill(engine, 'SIGKILL');
    expect((await pending).outcome).toBe('pdp_unavailable');
  });

  it('that is frozen denies within the deadline, then at once, and goes on when it thaws', async () => {
    await start({ circuitFailures: 2, circuitOpenMs: 300 });
    const engine = engineOf(pdp);
    process.kill(engine, 'SIGSTOP');
    for (let count = 0; count < 2; count++) {
      const { outcome, ms } = await ask(pdp);
      expect(outcome).toBe('pdp_unavailable');
      expect(ms).toBeLessThan(deadlineMs + margin);
    }
    expect((await ask(pdp)).ms).toBeLessThan(deadlineMs / 2);
    process.kill(engine, 'SIGCONT');
    await until(async () => (await ask(pdp)).outcome === 'allow');
  });

  it('ends a question when its caller gives up', async () => {
    await start();
    process.kill(engineOf(pdp), 'SIGSTOP');
    const startedAt = performance.now();
    await expect(pdp.check(question(), { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
    expect(performance.now() - startedAt).toBeLessThan(deadlineMs);
    await expect(pdp.check(question(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'pdp_unavailable',
    });
    process.kill(engineOf(pdp), 'SIGCONT');
  });

  it('answers more questions than one request may hold, each in its place', async () => {
    await start();
    const answers = await pdp.check(question(120));
    expect(answers.map(([decision]) => decision?.resource.id)).toEqual(
      Array.from({ length: 120 }, (_none, index) => `n${String(index)}`),
    );
    const actions = Array.from({ length: 130 }, (_none, index) => (index === 77 ? 'read' : `a${String(index)}`));
    const [decisions] = await pdp.check(question(1, actions));
    expect(decisions?.map(({ action }) => action)).toEqual(actions);
    expect(decisions?.flatMap(({ effect }, index) => (effect === 'allow' ? [index] : []))).toEqual([77]);
  });

  it('is asked with the owner’s tenant, whatever the attributes say', async () => {
    await start();
    const forged = question();
    const [first] = forged.questions;
    const request = {
      ...forged,
      questions: [
        { actions: ['read'], resource: { ...first!.resource, tenant: tenantId('globex'), attr: { tenant: 'acme' } } },
      ],
    };
    expect((await ask(pdp, request)).outcome).toBe('deny');
    expect((await ask(pdp, { ...forged, principal: { ...forged.principal, roles: [] } })).outcome).toBe('deny');
  });
});

describe('an endpoint that is no engine', () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });
  const listen = async (onConnection: (socket: Socket) => void): Promise<string> => {
    const path = join(folder({}), 's');
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return `unix:${path}`;
  };

  it.each<readonly [string, () => Promise<string> | string]>([
    ['is not there', () => `unix:${join(folder({}), 'nothing')}`],
    ['accepts and says nothing', () => listen(() => undefined)],
    ['speaks nonsense', () => listen((socket) => socket.write('HTTP/1.1 200 OK\r\n\r\nallow'))],
    ['hangs up', () => listen((socket) => socket.destroy())],
  ])('and %s denies within the deadline', async (_name, target) => {
    const pdp = cerbos(await target(), { deadlineMs });
    const { outcome, ms } = await ask(pdp);
    expect(outcome).toBe('pdp_unavailable');
    expect(ms).toBeLessThan(deadlineMs + margin);
    await expect(
      pdp.plan({
        principal: question().principal,
        scope: 'acme',
        kind: 'note',
        action: 'read',
        tenant: tenantId('acme'),
      }),
    ).rejects.toMatchObject({ code: 'pdp_unavailable' });
    await pdp.close();
  });

  it('is passed over for one that answers', async () => {
    const engine = await cerbosSidecar({ policies: folder() });
    const pdp = cerbos([`unix:${join(folder({}), 'nothing')}`, engine.target], { deadlineMs });
    for (let count = 0; count < 6; count++) expect((await ask(pdp)).outcome).toBe('allow');
    await pdp.close();
    await engine.close();
  });
});

type Respond = (error: { code: number; details: string } | null, value?: Buffer) => void;

/** A gRPC server with Cerbos’s method, and a handler of the test’s own. */
async function engineThat(handle: (respond: Respond) => void): Promise<{ target: string; stop: () => void }> {
  const server = new grpc.Server();
  server.addService(
    {
      CheckResources: {
        path: '/cerbos.svc.v1.CerbosService/CheckResources',
        requestStream: false,
        responseStream: false,
        requestSerialize: (value: Buffer) => value,
        requestDeserialize: (value: Buffer) => value,
        responseSerialize: (value: Buffer) => value,
        responseDeserialize: (value: Buffer) => value,
      },
    },
    {
      CheckResources: (_call: unknown, respond: Respond) => {
        handle(respond);
      },
    },
  );
  const target = `unix:${join(folder({}), 'l')}`;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return { target, stop: () => server.forceShutdown() };
}

describe('an engine that fails', () => {
  it.each([
    ['is not available is asked again, so often and no more', grpc.status.UNAVAILABLE, 3],
    ['refuses the question is not asked again', grpc.status.INVALID_ARGUMENT, 1],
    ['has an inner failure is not asked again', grpc.status.INTERNAL, 1],
    ['does not know us is not asked again', grpc.status.PERMISSION_DENIED, 1],
    ['is out of resources is not asked again', grpc.status.RESOURCE_EXHAUSTED, 1],
  ])('because it %s', async (_name, code, times) => {
    let asked = 0;
    const { target, stop } = await engineThat((respond) => {
      asked++;
      respond({ code, details: 'no' });
    });
    const pdp = cerbos(target, { deadlineMs, retries: 2 });
    expect((await ask(pdp)).outcome).toBe('pdp_unavailable');
    expect(asked).toBe(times);
    await pdp.close();
    stop();
  });

  it('at one endpoint is asked at the next', async () => {
    const bad = await engineThat((respond) => respond({ code: grpc.status.UNAVAILABLE, details: 'no' }));
    const good = await cerbosSidecar({ policies: folder(), pollMs: 0 });
    const pdp = cerbos([bad.target, good.target], { deadlineMs: 2000 });
    for (let count = 0; count < 6; count++) expect((await ask(pdp)).outcome).toBe('allow');
    await pdp.close();
    await good.close();
    bad.stop();
  });
});

describe('an engine that lies', () => {
  /** An engine with answers that none would give. */
  async function liar(answer: object): Promise<{ target: string; stop: () => void }> {
    const { CheckResourcesResponseSchema: schema } = (await import('@cerbos/api/cerbos/response/v1/response_pb')) as {
      CheckResourcesResponseSchema: Parameters<typeof create>[0];
    };
    return engineThat((respond) => respond(null, Buffer.from(toBinary(schema, create(schema, answer as never)))));
  }
  const allow = 1;

  it.each<readonly [string, object]>([
    ['no results', { results: [] }],
    [
      'a result too many',
      {
        results: [
          { resource: { kind: 'note', id: 'n0' }, actions: { read: allow } },
          { resource: { kind: 'note', id: 'n0' }, actions: { read: allow } },
        ],
      },
    ],
    ['another resource', { results: [{ resource: { kind: 'note', id: 'n1' }, actions: { read: allow } }] }],
    ['another kind', { results: [{ resource: { kind: 'secret', id: 'n0' }, actions: { read: allow } }] }],
    ['another action', { results: [{ resource: { kind: 'note', id: 'n0' }, actions: { write: allow } }] }],
    ['an effect that there is none of', { results: [{ resource: { kind: 'note', id: 'n0' }, actions: { read: 3 } }] }],
    ['no effect', { results: [{ resource: { kind: 'note', id: 'n0' }, actions: { read: 0 } }] }],
  ])('and answers %s denies', async (name, answer) => {
    const { target, stop } = await liar(answer);
    const pdp = cerbos(target, { deadlineMs });
    // The engine's own client reads an effect that it does not know as a denial.
    expect((await ask(pdp)).outcome).toBe(name.includes('effect') ? 'deny' : 'pdp_unavailable');
    await pdp.close();
    stop();
  });
});

describe('policies that change', () => {
  it('do not start the engine when they are broken, and say why in the engine’s words', async () => {
    await expect(
      cerbosSidecar({ policies: folder({ 'note.yaml': good.replace('R.attr.tenant ==', 'R.attr.tenant ===') }) }),
    ).rejects.toMatchObject({
      code: 'policies_invalid',
      message: expect.stringMatching(/note\.yaml[\s\S]*Syntax error|Invalid/i) as string,
    });
    await expect(cerbosSidecar({ policies: folder({ 'note.yaml': ': [' }) })).rejects.toMatchObject({
      code: 'policies_invalid',
    });
    await expect(cerbosSidecar({ policies: '/no/such/folder' })).rejects.toMatchObject({ code: 'policies_invalid' });
  });

  it('do not start the engine when a tenant’s could widen the base', async () => {
    const widening = policy(
      'note',
      '    - { actions: ["read", "delete"], effect: EFFECT_ALLOW, roles: ["member"] }',
      '  scope: acme\n',
    );
    await expect(
      cerbosSidecar({ policies: folder({ 'note.yaml': good, 'acme.yaml': widening }) }),
    ).rejects.toMatchObject({ message: expect.stringContaining('can widen its parent') as string });
  });

  it('are live within 5 s, however they are written, and a broken edit changes nothing but is reported', async () => {
    const policies = folder();
    const errors: string[] = [];
    const pdp = await cerbosSidecar({ policies, onPolicyError: (error) => errors.push(error.message) });
    const file = join(policies, 'note.yaml');
    const live = (effect: string): Promise<void> => until(async () => (await ask(pdp)).outcome === effect, 5000);
    writeFileSync(file, good.replace('["read"]', '["write"]'));
    await live('deny');
    const swap = join(policies, '.note.yaml.swp');
    writeFileSync(swap, good);
    renameSync(swap, file);
    await live('allow');
    writeFileSync(file, 'broken: [');
    await until(() => errors.length > 0);
    for (let count = 0; count < 5; count++) expect((await ask(pdp)).outcome).toBe('allow');
    rmSync(file);
    writeFileSync(join(policies, 'renamed.yml'), good.replace('["read"]', '["write"]'));
    await live('deny');
    mkdirSync(join(policies, 'deeper'));
    rmSync(join(policies, 'renamed.yml'));
    writeFileSync(join(policies, 'deeper', 'note.yaml'), good);
    await live('allow');
    await pdp.close();
  });

  it('are never decided half-way while they change, and nothing is denied that both versions allow', async () => {
    const policies = folder();
    const pdp = await cerbosSidecar({ policies, onPolicyError: () => undefined });
    const over = new AbortController();
    const outcomes = new Set<string>();
    const asking = (async () => {
      while (!over.signal.aborted) outcomes.add((await ask(pdp)).outcome);
    })();
    const revisions = new Set([pdp.revision]);
    for (let count = 0; count < 3; count++) {
      writeFileSync(
        join(policies, 'other.yaml'),
        policy(`other${String(count)}`, '    - { actions: ["x"], effect: EFFECT_ALLOW, roles: ["member"] }'),
      );
      await until(() => !revisions.has(pdp.revision));
      revisions.add(pdp.revision);
    }
    over.abort();
    await asking;
    expect([...outcomes]).toEqual(['allow']);
    await pdp.close();
  });
});

describe('what is left behind', () => {
  const alive = (pid: number): boolean => {
    try {
      return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z');
    } catch {
      return false;
    }
  };

  it('by a sidecar that was closed is nothing', async () => {
    const pdp = await cerbosSidecar({ policies: folder() });
    const [engine, home] = [engineOf(pdp), dirname(dirname(pdp.target.slice('unix:'.length)))];
    expect([alive(engine), existsSync(home)]).toEqual([true, true]);
    await pdp.close();
    await pdp.close();
    expect([alive(engine), existsSync(home)]).toEqual([false, false]);
    expect((await ask(pdp)).outcome).toBe('pdp_unavailable');
  });

  it('by a parent that was killed with no chance to clean up is nothing either', async () => {
    const script = `import { cerbosSidecar } from '@portcullis/pdp/cerbos'; const pdp = await cerbosSidecar({ policies: ${JSON.stringify(folder())} }); console.log(JSON.stringify({ pid: pdp.pid, target: pdp.target })); setInterval(() => {}, 1000);`;
    const parent = spawn(
      process.execPath,
      ['--conditions=@portcullis/source', '--import', 'tsx', '--input-type=module', '-e', script],
      { stdio: ['ignore', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '..', '..', 'packages', 'demo') },
    );
    const said = await new Promise<string>((resolve) =>
      parent.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    const { pid, target } = JSON.parse(said) as { pid: number; target: string };
    const engine = engineOf({ pid } as Sidecar);
    const home = dirname(dirname(target.slice('unix:'.length)));
    expect(alive(engine)).toBe(true);
    parent.kill('SIGKILL');
    await until(() => !alive(engine) && !existsSync(home), 5000);
    expect(readdirSync(tmpdir())).not.toContain(home.split('/').at(-1));
  });

  it('does not depend on another sidecar', async () => {
    const [one, two] = await Promise.all([
      cerbosSidecar({ policies: folder() }),
      cerbosSidecar({ policies: folder() }),
    ]);
    await one.close();
    expect((await ask(two)).outcome).toBe('allow');
    await two.close();
  });

  it('says what to do where npm has no engine for the platform', () => {
    expect(() => cerbosBinary('plan9', 'mips')).toThrow(/npm brings no cerbos binary for plan9-mips.*cerbos\(target\)/);
  });
});

describe('a client that cannot ask', () => {
  it('has no target', () => {
    expect(() => cerbos([])).toThrow(expect.objectContaining({ code: 'config_invalid' }) as Error);
  });

  it('was closed, or was told to give up before it began', async () => {
    const sidecar = await cerbosSidecar({ policies: folder(), pollMs: 0 });
    const client = cerbos(sidecar.target);
    expect((await ask(client)).outcome).toBe('allow');
    const given = client.check(question(), { signal: AbortSignal.abort() });
    await expect(given).rejects.toMatchObject({ code: 'pdp_unavailable', detail: 'the caller gave up' });
    await client.close();
    await expect(client.check(question())).rejects.toMatchObject({
      code: 'pdp_unavailable',
      detail: 'the client is closed',
    });
    await sidecar.close();
  });

  it('does not ask twice for one action on one resource', async () => {
    await expect(cerbos('127.0.0.1:1').check(question(1, ['read', 'read']))).rejects.toThrow(TypeError);
  });
});

describe('the engine that npm brings', () => {
  it('is the pinned one: its semantics move between versions', () => {
    expect(execFileSync(cerbosBinary(), ['--version'], { encoding: 'utf8' })).toContain('0.51.0');
  });
});
