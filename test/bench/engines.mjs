// npm run bench -- engines: all engines on one stream of requests in one run, after they were seen to decide alike.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMongoAbility, subject } from '@casl/ability';
import * as cedar from '@cedar-policy/cedar-wasm/nodejs';
import { GRPC } from '@cerbos/grpc';
import { bundlePolicies, embedded } from '@portcullis/pdp/embedded';
import { casbin } from '@portcullis/pdp/casbin';
import { cerbos, cerbosSidecar } from '@portcullis/pdp/cerbos';
import { newEnforcer, newModel, StringAdapter } from 'casbin';
import * as model from './engines-model.mjs';
import { inARow } from './measure.mjs';

const folders = [];
const closers = [];

function folderOf(files) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  folders.push(folder);
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  return folder;
}

const heapMib = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/** Starts an engine; its load time, and what it added to the heap. */
async function start(make) {
  const before = heapMib();
  const startedAt = performance.now();
  const engine = await make();
  return { loadMs: performance.now() - startedAt, ...engine, mib: engine.mib ?? heapMib() - before };
}

/** Each engine: how a request becomes its question, how it is asked, and what its answer says. */
const isAllowed = (answer) => answer === true;
const allows = ([[decision]]) => decision.effect === 'allow';
const engines = {
  'a hand-written predicate': () => ({
    toQuestion: (request) => request,
    ask: (request) => model.byHand(request),
    isAllowed,
  }),

  '@casl/ability, ready for each user': (names) => {
    const abilities = new Map(model.roles.map((role) => [role, createMongoAbility(model.caslRules(names, role))]));
    return {
      toQuestion: ({ role, tool, owner }) => [abilities.get(role), subject(tool, { owner })],
      ask: ([ability, thing]) => ability.can(model.action, thing),
      isAllowed,
    };
  },

  'embedded()': async (names) => {
    const pdp = await embedded({ policies: folderOf(model.cerbosPolicies(names)), pollMs: 0 });
    closers.push(() => pdp.close());
    return {
      toQuestion: (request) => model.toCheck(request),
      ask: (question) => pdp.check(question),
      isAllowed: allows,
    };
  },

  'embedded(), the request built as well': async (names) => {
    const pdp = await embedded({ policies: folderOf(model.cerbosPolicies(names)), pollMs: 0 });
    closers.push(() => pdp.close());
    return {
      toQuestion: (request) => request,
      ask: (request) => pdp.check(model.toCheck(request)),
      isAllowed: allows,
    };
  },

  'casbin(), a small enforcer for each object': async (names) => {
    const pdp = await casbin({ model: model.casbinRbacModel, lines: model.casbinRbacLines(names) });
    closers.push(() => pdp.close());
    return {
      withoutOwners: true,
      toQuestion: (request) => model.toCheck(request),
      ask: (question) => pdp.check(question),
      isAllowed: allows,
    };
  },

  'plain casbin, one enforcer': async (names) => {
    const lines = model.casbinLines(names).map((line) => `p, ${line.join(', ')}`);
    const enforcer = await newEnforcer(newModel(model.casbinModel), new StringAdapter(lines.join('\n')));
    return { toQuestion: model.toCasbin, ask: (question) => enforcer.enforce(...question), isAllowed };
  },

  '@cedar-policy/cedar-wasm, pre-parsed': (names) => {
    const id = `set-${names.length}`;
    const { type } = cedar.preparsePolicySet(id, { staticPolicies: model.cedarPolicies(names) });
    if (type !== 'success') throw new Error('Cedar does not take its policies');
    return {
      toQuestion: model.toCedar(id),
      ask: (question) => cedar.statefulIsAuthorized(question),
      isAllowed: ({ response }) => response.decision === 'allow',
    };
  },

  'Cerbos, raw @cerbos/grpc over a unix socket': async (names) => {
    const pdp = await cerbosSidecar({
      policies: folderOf(model.cerbosPolicies(names)),
      pollMs: 0,
      deadlineMs: 30_000,
      startTimeoutMs: 120_000,
    });
    const raw = new GRPC(pdp.target, { tls: false });
    closers.push(() => {
      raw.close();
      return pdp.close();
    });
    return {
      mib: residentMibOf(pdp.pid),
      toQuestion: model.toCerbos,
      ask: (question) => raw.checkResources(question),
      isAllowed: ({ results }) => results[0].isAllowed(model.action) === true,
    };
  },

  'Cerbos, cerbos() of @portcullis/pdp': async (names) => {
    const sidecar = await cerbosSidecar({
      policies: folderOf(model.cerbosPolicies(names)),
      pollMs: 0,
      startTimeoutMs: 120_000,
    });
    const pdp = cerbos(sidecar.target, { deadlineMs: 30_000 });
    closers.push(() => pdp.close().then(() => sidecar.close()));
    return {
      mib: residentMibOf(sidecar.pid),
      toQuestion: (request) => model.toCheck(request),
      ask: (question) => pdp.check(question),
      isAllowed: allows,
    };
  },
};

/** What the processes below a supervisor hold, in MiB. */
function residentMibOf(pid) {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,ppid=,rss=', '-A'], { encoding: 'utf8' });
  const rows = stdout
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).map(Number));
  const below = (parent) => rows.filter(([, of]) => of === parent).flatMap(([own]) => [own, ...below(own)]);
  const all = new Set([pid, ...below(pid)]);
  return rows.filter(([own]) => all.has(own)).reduce((sum, [, , kib]) => sum + kib / 1024, 0);
}

async function verify(name, { toQuestion, ask, isAllowed: saysYes, withoutOwners }, stream) {
  for (const request of stream)
    if (saysYes(await ask(toQuestion(request))) !== model.byHand(request, { withoutOwners }))
      throw new Error(`${name} decides otherwise: ${JSON.stringify(request)}`);
}

const sorted = (times) => times.sort((one, two) => one - two);
const at = (times, share) => times[Math.min(times.length - 1, Math.floor(times.length * share))];

const blockSize = 20;

/**
 * p10 and p50 of each alternative, from blocks of questions in a row, since a clock takes as long as a decision. They
 * take turns, each through its stream once or for 60 ms: what else the machine does hits all alike.
 */
async function takeTurns(alternatives, turns = 40) {
  const runs = alternatives.map(({ toQuestion, ask, stream }) => {
    const questions = stream.map(toQuestion);
    return { ask, questions, blocks: [] };
  });
  for (let turn = -10; turn < turns; turn++) {
    for (const { ask, questions, blocks } of runs) {
      const until = performance.now() + 60;
      for (let from = 0; from < questions.length && performance.now() < until; from += blockSize) {
        const startedAt = performance.now();
        for (let index = from; index < from + blockSize; index++) await ask(questions[index % questions.length]);
        if (turn >= 0) blocks.push(((performance.now() - startedAt) * 1000) / blockSize);
      }
    }
  }
  return runs.map(({ blocks }) => ({ best: at(sorted(blocks), 0.1), p50: at(blocks, 0.5) }));
}

/** p99 from questions one by one; throughput with one and with 64 on their way. */
async function measure({ toQuestion, ask, stream }, { seconds = 1.5 } = {}) {
  const questions = stream.map(toQuestion);
  const budget = seconds * 1000;
  const single = [];
  for (const until = performance.now() + budget; performance.now() < until && single.length < 200_000;) {
    for (const question of questions) {
      const startedAt = performance.now();
      await ask(question);
      single.push((performance.now() - startedAt) * 1000);
    }
  }
  const concurrent = async (width) => {
    let done = 0;
    const startedAt = performance.now();
    const until = startedAt + budget;
    await Promise.all(
      Array.from({ length: width }, async (_none, worker) => {
        // The clock is looked at now and then, because it takes as long as a decision.
        for (let index = worker; performance.now() < until;)
          for (let turn = 0; turn < 16; turn++, done++, index += width) await ask(questions[index % questions.length]);
      }),
    );
    return (done / (performance.now() - startedAt)) * 1000;
  };
  return { p99: at(sorted(single), 0.99), one: await concurrent(1), many: await concurrent(64) };
}

const us = (value) => (value < 10 ? value.toFixed(2) : value.toFixed(value < 100 ? 1 : 0)).padStart(9);
const count = (value) => Math.round(value).toLocaleString('en').padStart(11);

async function closeAll() {
  for (const close of closers.splice(0)) await close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

/** Runs all engines that are asked for on one set of tools. */
async function compare(title, tools, chosen, options) {
  const names = model.toolNames(tools);
  const stream = model.requests(names);
  console.log(`\n${title}`);
  console.log(`  ${''.padEnd(46)}   p10 µs    p50 µs    p99 µs    1 at a time/s   64 at a time/s   load ms     MiB`);
  const started = [];
  for (const name of chosen) {
    const engine = { ...(await start(() => engines[name](names))), name, stream };
    await verify(name, engine, stream);
    started.push(engine);
  }
  const middles = await takeTurns(started);
  const p50 = {};
  for (const [index, engine] of started.entries()) {
    const { best, p50: middle } = middles[index];
    const { p99, one, many } = await measure(engine, options);
    p50[engine.name] = middle;
    console.log(
      `  ${engine.name.padEnd(46)}${us(best)} ${us(middle)} ${us(p99)}      ${count(one)}      ${count(many)} ${engine.loadMs.toFixed(0).padStart(9)} ${engine.mib.toFixed(1).padStart(7)}`,
    );
  }
  await closeAll();
  return p50;
}

/** What one decision takes where thirty are asked for in one request, as for a list of tools. */
async function together() {
  const names = model.toolNames(30);
  const pdp = await embedded({ policies: folderOf(model.cerbosPolicies(names)), pollMs: 0 });
  const stream = model.requests(names, 30).map((request) => model.toCheck(request));
  const request = { ...stream[0], questions: stream.flatMap(({ questions }) => questions) };
  const times = await inARow(() => pdp.check(request));
  await pdp.close();
  console.log(
    `\n  embedded(), 30 questions in one request: ${us(at(times, 0.5) / 30).trim()} µs each, best tenth ${us(at(times, 0.1) / 30).trim()}`,
  );
}

async function embeddedOver(files, stream, scope) {
  const folder = folderOf(files);
  const engine = await start(async () => {
    const pdp = await embedded({ policies: folder, pollMs: 0 });
    closers.push(() => pdp.close());
    return { toQuestion: (request) => request, ask: (request) => pdp.check(model.toCheck(request, scope)) };
  });
  return { ...engine, folder, stream };
}

const only = process.env.BENCH_PART;
try {
  if (only === undefined || only === 'engines') {
    const names = Object.keys(engines);
    const p50 = await compare('30 tools, 4 roles: 2,000 requests', 30, names);
    const own = p50['embedded()'];
    console.log('\n  against embedded():');
    for (const [name, value] of Object.entries(p50))
      if (name !== 'embedded()') console.log(`  ${name.padEnd(46)} × ${(value / own).toFixed(2)}`);
    await together();
    await closeAll();
  }

  if (only === undefined || only === 'growth') {
    console.log('\nembedded() by the number of policies (a tool and its policy each), the request built as well');
    console.log('     policies    p10 µs    p50 µs    × 30 tools   load ms     MiB   bundle ms');
    const sizes = [10, 30, 100, 1000, 10_000];
    const grown = [];
    for (const tools of sizes) {
      const names = model.toolNames(tools);
      const engine = await embeddedOver(model.cerbosPolicies(names), model.requests(names), 'acme');
      const { text } = await bundlePolicies({ policies: engine.folder });
      const startedAt = performance.now();
      await (await embedded({ bundle: text })).close();
      grown.push({ ...engine, bundleMs: performance.now() - startedAt });
    }
    const byPolicies = await takeTurns(grown, 100);
    for (const [index, { loadMs, mib, bundleMs }] of grown.entries()) {
      const { best, p50 } = byPolicies[index];
      const ratio = (p50 / byPolicies[sizes.indexOf(30)].p50).toFixed(2);
      console.log(
        `  ${String(sizes[index]).padStart(11)} ${us(best)} ${us(p50)} ${ratio.padStart(12)} ${loadMs.toFixed(0).padStart(10)} ${mib.toFixed(1).padStart(7)} ${bundleMs.toFixed(0).padStart(10)}`,
      );
    }
    await closeAll();

    console.log(
      '\nembedded() by the number of tenant scopes (30 tools; each scope narrows one), the request built as well',
    );
    console.log('       scopes    p10 µs    p50 µs    × 10 scopes   load ms     MiB');
    const tenants = [10, 1000, 10_000];
    const scoped = [];
    for (const number of tenants) {
      const names = model.toolNames(30);
      const scopes = Array.from({ length: number }, (_none, index) => `tenant_${index}`);
      const files = [...model.cerbosPolicies(names), ...model.scopedPolicies(names, scopes)];
      scoped.push(await embeddedOver(files, model.requests(names), 'tenant_7'));
    }
    const byScopes = await takeTurns(scoped, 100);
    for (const [index, { loadMs, mib }] of scoped.entries()) {
      const { best, p50 } = byScopes[index];
      const ratio = (p50 / byScopes[0].p50).toFixed(2);
      console.log(
        `  ${String(tenants[index]).padStart(11)} ${us(best)} ${us(p50)} ${ratio.padStart(13)} ${loadMs.toFixed(0).padStart(10)} ${mib.toFixed(1).padStart(7)}`,
      );
    }
    await closeAll();
    await compare('1,000 tools: the others', 1000, [
      '@casl/ability, ready for each user',
      'embedded()',
      'casbin(), a small enforcer for each object',
      'plain casbin, one enforcer',
      '@cedar-policy/cedar-wasm, pre-parsed',
      'Cerbos, raw @cerbos/grpc over a unix socket',
    ]);
  }

  if (only === undefined || only === 'semantics') {
    console.log('\nwhat the parts of the semantics cost, the request built as well');
    console.log(`  ${''.padEnd(58)}   p10 µs    p50 µs`);
    const names = model.toolNames(30);
    const parts = [];
    for (const [name, files] of model.variations(names)) {
      const folder = folderOf(files.filter(([file]) => !file.startsWith('_schemas/')));
      mkdirSync(join(folder, '_schemas'));
      for (const [file, text] of files.filter(([file]) => file.startsWith('_schemas/')))
        writeFileSync(join(folder, file), text);
      const pdp = await embedded({ policies: folder, pollMs: 0 });
      closers.push(() => pdp.close());
      const ask = (request) => pdp.check(model.toCheck(request));
      parts.push({ name, toQuestion: (request) => request, ask, stream: model.requests(names) });
    }
    const costs = await takeTurns(parts, 100);
    for (const [index, { name }] of parts.entries())
      console.log(`  ${name.padEnd(58)} ${us(costs[index].best)} ${us(costs[index].p50)}`);
  }
} finally {
  await closeAll();
}
