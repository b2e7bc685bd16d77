import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { stringify } from 'yaml';
import {
  PortcullisError,
  tenantId,
  type PlanExpression,
  type PolicyDecisionPoint,
  type Principal,
} from '@portcullis/core';
import { cerbosSidecar } from '@portcullis/pdp/cerbos';
import { embedded } from '@portcullis/pdp/embedded';
import { startPostgres, type PostgresServer } from '@portcullis/testing/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planWhere } from '@portcullis/storage/plan/kysely';
import { planToSql, resourceOfRow, type ColumnMap } from '@portcullis/storage/plan';

/**
 * The rows that a policy's SQL finds are those that `check` allows, asked row by row, on the real engine and the real
 * database.
 *
 * Where the engine's own plan and its own check disagree (PDP 0.51), and what is done about it:
 *
 * - `has(R.attr.x)` is true in every plan, and `!(R.attr.x in [])` too: wider than a check of a row without `x`. Columns
 *   are null and not absent unless they are declared so, and rows that lack an absent one are never listed. For what is
 *   no column (a member of a map, an attribute that nobody maps) nothing in the plan tells: policies of listed kinds
 *   have to do without `has`.
 * - `none`, and a deny rule, count a condition that is an error as false; the plan says `not` for them as for `!`,
 *   which an error passes through. The SQL takes the narrower.
 * - `R.attr.n + 1` is an error in a check and `R.attr.n + 1.0` is not; the plan has the same for both. Refused.
 * - A bytes literal is its base64 text in the plan. No column is compared with bytes; policies must not do it.
 * - `{"x": 1}[R.attr.a] > 0` is planned as never, `P.attr.levels[R.attr.a] > 1` alike: narrower, and wider in a deny
 *   rule. The plan carries no trace of it.
 */

interface Matches {
  readonly of: readonly Match[];
}

type Match =
  { readonly expr: string } | { readonly all: Matches } | { readonly any: Matches } | { readonly none: Matches };

/** Conditions as rules of one policy: the action of a condition is its place. */
function policyOf(kind: string, conditions: readonly (string | Match)[]): unknown {
  return {
    apiVersion: 'api.cerbos.dev/v1',
    resourcePolicy: {
      resource: kind,
      version: 'default',
      rules: conditions.map((condition, index) => ({
        actions: [`a${String(index)}`],
        effect: 'EFFECT_ALLOW',
        roles: ['*'],
        condition: { match: typeof condition === 'string' ? { expr: condition } : condition },
      })),
    },
  };
}

interface Engine {
  readonly pdp: PolicyDecisionPoint;
  close(): Promise<void>;
}

const onCerbos = (policies: string): Promise<PolicyDecisionPoint> =>
  cerbosSidecar({ policies, pollMs: 0, deadlineMs: 20_000 });

async function engineFor(policies: readonly unknown[], start = onCerbos): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), 'plan-to-sql-'));
  try {
    for (const [index, policy] of policies.entries())
      await writeFile(join(folder, `p${String(index)}.yaml`), stringify(policy));
    const pdp = await start(folder);
    return {
      pdp,
      async close() {
        await pdp.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const tenant = tenantId('acme');
const alice: Principal = {
  id: 'alice',
  roles: ['member'],
  attr: {
    tenant: 'acme',
    team: 'red',
    teams: ['red', 'blue', null, 2],
    many: [...Array.from({ length: 500 }, (_one, index) => `nobody${String(index)}`), 'red'],
    none: [],
    limit: 2.5,
    levels: { red: 'admin', blue: 'viewer' },
  },
};

const map = {
  id: 'text',
  columns: {
    author: 'text',
    title: { type: 'text', column: 'ti"tle %' },
    'we ird': { type: 'text', column: 'author' },
    flag: 'boolean',
    n: 'number',
    m: 'number',
    count: 'integer',
    big: 'integer',
    amount: 'numeric',
    at: 'timestamp',
    until: 'timestamp',
    tags: 'text[]',
    nums: 'integer[]',
    marks: 'boolean[]',
    meta: 'jsonb',
    ref: 'uuid',
  },
} as const satisfies ColumnMap;

const table = `CREATE TABLE document (
  id text PRIMARY KEY, author text, "ti""tle %" text, flag boolean, n double precision, m double precision,
  count integer, big bigint, amount numeric, at timestamptz, until timestamptz, tags text[], nums integer[],
  marks boolean[], meta jsonb, ref uuid)`;

const columnNames = [
  'author',
  'ti"tle %',
  'flag',
  'n',
  'm',
  'count',
  'big',
  'amount',
  'at',
  'until',
  'tags',
  'nums',
  'marks',
  'meta',
  'ref',
];

type Row = Readonly<Record<string, unknown>>;

const texts = [
  'red',
  'blue',
  'Red',
  'alice',
  '',
  'a',
  'a.b',
  'a.b.c',
  'é',
  'Éa',
  '😀',
  '%',
  '_',
  '\\',
  "'",
  '"',
  "x' OR TRUE --",
  '$1',
  'a\nb',
  '1',
  'true',
  'null',
  'z',
];
const numbers = [
  0,
  1,
  -1,
  2,
  2.5,
  -2.5,
  0.1,
  1e21,
  -1e21,
  9007199254740992,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const stamps = [
  '2024-03-01T10:20:30.123456Z',
  '2024-03-01T10:20:30.123Z',
  '1969-12-31T23:59:59.999999Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
  '10000-01-01T00:00:00Z',
  '0044-03-15T12:00:00Z BC',
  'infinity',
  '-infinity',
  '2024-02-29T00:00:00Z',
  '2024-12-31T23:59:59.9999Z',
];
const metas = [
  null,
  {},
  [],
  ['red', 1, null, true],
  { k: 'red' },
  { k: null, red: 2.5 },
  { k: { j: 'red' } },
  'red',
  2.5,
  true,
  [['red']],
  { k: ['red', 'blue'] },
  ['red', 'red'],
  { k: 1 },
  [''],
];

/** Rows that between them meet what matters; the rest of a row is chance, of a fixed seed. */
function rows(): readonly Row[] {
  const of = <T>(values: readonly T[]): fc.Arbitrary<T | null> => fc.option(fc.constantFrom(...values), { freq: 6 });
  const list = <T>(values: readonly T[]): fc.Arbitrary<readonly (T | null)[] | null> =>
    fc.option(fc.array(of(values), { maxLength: 3 }), { freq: 6 });
  const row = fc.record({
    author: of(texts),
    'ti"tle %': of(texts),
    flag: of([true, false]),
    n: of(numbers),
    m: of(numbers),
    count: of([0, 1, -1, 2, 3, 2147483647]),
    big: of(['0', '1', '2', '9007199254740993', '9223372036854775807', '-9223372036854775808']),
    amount: of([
      '0',
      '0.1',
      '2.5',
      '1',
      '0.1000000000000000000001',
      '1e400',
      '1e-400',
      'NaN',
      '123456789012345678901234567890',
    ]),
    at: of(stamps),
    until: of(stamps),
    tags: list(texts),
    nums: list([0, 1, 2, 3]),
    marks: list([true, false]),
    meta: fc.constantFrom(...metas).map((meta) => JSON.stringify(meta)),
    ref: of(['6f9619ff-8b86-4d01-b42d-00c04fc964ff', '00000000-0000-0000-0000-000000000000']),
  });
  const samples = fc.sample(row, { numRuns: 42, seed: 7 });
  const empty = Object.fromEntries(columnNames.map((name) => [name, null]));
  const plain = {
    author: 'red',
    'ti"tle %': 'a.b',
    flag: true,
    n: 2.5,
    m: 2,
    count: 2,
    big: '2',
    amount: '2.5',
    at: stamps[0],
    until: stamps[1],
    tags: ['red', 'blue'],
    nums: [1, 2],
    marks: [true, false],
    meta: '{"k":"red"}',
    ref: '6f9619ff-8b86-4d01-b42d-00c04fc964ff',
  };
  return [empty, plain, ...samples].map((one, index) => ({
    id: index === 1 ? 'alice' : `row${String(index)}`,
    ...one,
  }));
}

let server: PostgresServer;
let client: pg.Client;
let stored: readonly Row[];

beforeAll(async () => {
  server = await startPostgres();
  client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  await client.query(table);
  for (const row of rows()) {
    const names = ['id', ...columnNames];
    await client.query(
      `INSERT INTO document VALUES (${names.map((_name, index) => `$${String(index + 1)}`).join(', ')})`,
      names.map((name) => row[name]),
    );
  }
  stored = (await client.query<Row>('SELECT * FROM document ORDER BY id')).rows;
});

afterAll(async () => {
  await client.end();
  await server.stop();
});

/** What `check` allows, for each of some actions: the ids of the rows. */
async function allowed(
  pdp: PolicyDecisionPoint,
  kind: string,
  actions: readonly string[],
  by: ColumnMap,
  principal = alice,
): Promise<readonly ReadonlySet<string>[]> {
  const found = actions.map(() => new Set<string>());
  const resources = stored.map((row) => ({ kind, tenant, ...resourceOfRow(row, by) }));
  const answers = await pdp.check({
    principal,
    scope: '',
    questions: resources.map((resource) => ({ resource, actions })),
  });
  answers.forEach((decisions, row) => {
    decisions.forEach((decision, action) => {
      if (decision.effect === 'allow') found[action]!.add(resources[row]!.id);
    });
  });
  return found;
}

/** What the SQL of a plan finds; nothing when the plan is refused. */
async function listed(
  pdp: PolicyDecisionPoint,
  kind: string,
  action: string,
  by: ColumnMap,
  principal = alice,
): Promise<ReadonlySet<string> | PortcullisError> {
  const plan = await pdp.plan({ principal, scope: '', kind, action, tenant });
  let query;
  try {
    query = planToSql(plan, by);
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'plan_untranslatable') return error;
    throw error;
  }
  try {
    const found = await client.query<{ id: string }>(`SELECT id FROM document WHERE ${query.text}`, [...query.values]);
    return new Set(found.rows.map(({ id }) => id));
  } catch (error) {
    throw new Error(`${String(error)}\n${query.text}\n${JSON.stringify(query.values)}`, { cause: error });
  }
}

const some = (expr: string): Match => ({ expr });

/** One condition and more for each operator. */
const corpus: readonly (string | Match)[] = [
  'R.attr.author == "red"',
  'R.attr.author != "red"',
  'R.attr["we ird"] == "red"',
  'R.attr.title == "x\' OR TRUE --"',
  'R.attr.author == R.attr.title',
  'R.attr.author != R.attr.title',
  'R.attr.author == R.attr.flag',
  'R.attr.author != R.attr.n',
  'R.attr.author == 1',
  'R.attr.author != 1',
  'R.attr.author == null',
  'R.attr.author != null',
  'null == R.attr.n',
  'R.attr.author == P.id',
  'R.id == P.id',
  'R.id in ["alice", "row2"]',
  'R.id != "alice"',
  'R.attr.author == P.attr.team',
  'R.attr.author == P.attr.nope',
  '!(R.attr.author == P.attr.nope)',
  'R.attr.author == P.attr.nope || R.attr.flag',
  'R.attr.author in P.attr.teams',
  '!(R.attr.author in P.attr.teams)',
  'R.attr.author in P.attr.none',
  '!(R.attr.author in P.attr.none)',
  'has(R.attr.author)',
  '!has(R.attr.author) || R.attr.flag',
  'R.attr.n in P.attr.teams',
  'R.attr.count in [1, 2, "x"]',
  'R.attr.count in [1.5, 2.0]',
  'R.attr.author in ["red", 1, null]',
  'R.attr.author in ["red", R.attr.title]',
  'R.attr.author in P.attr.levels',
  '!(P.attr.levels[R.attr.author] == "admin")',
  'P.attr.levels[R.attr.author] == "admin"',
  'P.attr.levels[R.attr.author] != "admin"',
  '"red" in R.attr.tags',
  '!("red" in R.attr.tags)',
  '"\\\\" in R.attr.tags',
  'null in R.attr.tags',
  '1 in R.attr.tags',
  '1 in R.attr.nums',
  '1.5 in R.attr.nums',
  'true in R.attr.marks',
  'R.attr.author in R.attr.tags',
  '!(R.attr.author in R.attr.tags)',
  'R.attr.n in R.attr.nums',
  '"k" in R.attr.meta',
  '!("red" in R.attr.meta)',
  'R.attr.author in R.attr.meta',
  '!(R.attr.author in R.attr.meta)',
  '!(1 in R.attr.meta)',
  '!(null in R.attr.meta)',
  '!(R.attr.flag in R.attr.meta)',
  '!(R.attr.tags in R.attr.meta)',
  '!(R.attr.n in R.attr.meta)',
  '2.5 in R.attr.meta',
  '1 in R.attr.meta',
  '"author" in R.attr',
  'R.attr.flag',
  '!R.attr.flag',
  'R.attr.flag == true',
  'R.attr.flag > false',
  'R.attr.flag && R.attr.author == "red" || R.attr.n > 1',
  'R.attr.flag ? R.attr.author == "red" : R.attr.n > 1.0',
  '(R.attr.flag ? R.attr.author : R.attr.title) == "red"',
  '!((R.attr.flag ? R.attr.author : R.attr.title) == "red")',
  '(R.attr.flag ? R.attr.author : R.attr.tags) == "red"',
  'R.attr.n == 2.5',
  'R.attr.n != 2',
  'R.attr.n < 1',
  'R.attr.n <= R.attr.m',
  'R.attr.n == R.attr.m',
  'R.attr.n > -1e300',
  'R.attr.count > 1',
  'R.attr.count <= 1.5',
  '1 < R.attr.count',
  'R.attr.big == 2',
  'R.attr.big > 9007199254740991',
  'R.attr.big == R.attr.n',
  'R.attr.count == R.attr.big',
  'R.attr.amount == 0.1',
  'R.attr.amount != 0.1',
  'R.attr.amount > 1',
  'R.attr.amount == null',
  'R.attr.amount == R.attr.n',
  'R.attr.author < "b"',
  'R.attr.author >= "Z"',
  'R.attr.author > R.attr.title',
  'R.attr.author < "é"',
  'R.attr.n + R.attr.m > 1.0',
  'R.attr.n - R.attr.m > 1.0',
  'R.attr.n * R.attr.m > 1.0',
  'R.attr.n + 0.5 == 3.0',
  'R.attr.n * 1.5 > 3.0',
  'R.attr.n / 0.5 > 3.0',
  '-R.attr.n < 0.0',
  'double(R.attr.n) > 1.0',
  'int(R.attr.n) == 2',
  'int(R.attr.n) == -2',
  'math.abs(R.attr.n) > 1.0',
  'math.ceil(R.attr.n) == 3.0',
  'math.floor(R.attr.n) == -3.0',
  'math.trunc(R.attr.n) == -2.0',
  'R.attr.n + P.attr.limit > 4.0',
  'R.attr.author + "x" == "redx"',
  'R.attr.author + R.attr.title == "redred"',
  'R.attr.author.size() == 1',
  'size(R.attr.author) > 2',
  'size(R.attr.tags) == 2',
  'size(R.attr.meta) == 1',
  'R.attr.author.contains("e")',
  'R.attr.author.contains("%")',
  'R.attr.author.contains("")',
  'R.attr.author.startsWith("a.")',
  'R.attr.author.startsWith("_")',
  'R.attr.author.endsWith("d")',
  'R.attr.author.endsWith("\\\\")',
  'R.attr.author.contains(R.attr.title)',
  'R.attr.author.startsWith(R.attr.title)',
  'R.attr.author.endsWith(R.attr.title)',
  '!R.attr.author.startsWith("a")',
  'R.attr.author.lowerAscii() == "red"',
  'R.attr.author.upperAscii() == "ÉA"',
  'R.attr.author.lowerAscii() == "éa"',
  'R.attr.author.indexOf("e") == 1',
  'R.attr.author.indexOf("") == 0',
  'R.attr.author.matches("^red$")',
  'R.attr.author.matches("^a")',
  'R.attr.author.matches("b$")',
  'R.attr.author.matches("e")',
  'R.attr.author.matches("^$")',
  'string(R.attr.author) == "red"',
  'string(R.attr.author) != "red"',
  '!(bool(R.attr.flag) == true)',
  '!(double(R.attr.n) == 2.0)',
  'R.attr.tags.map(t, t.size()).exists(x, x == 3)',
  '(R.attr.flag ? R.attr.tags : R.attr.meta) == ["red"]',
  'bool(R.attr.flag)',
  'dyn(R.attr.author) == "red"',
  'R.attr.tags[0] == "red"',
  'R.attr.tags[1] != "red"',
  'R.attr.tags[-1] != "red"',
  'R.attr.tags[9] != "red"',
  'R.attr.nums[0] == 1',
  'R.attr.nums[0] + 0.5 > 1.0',
  'R.attr.meta.k == "red"',
  'R.attr.meta.k != "red"',
  'R.attr.meta["k"] == "red"',
  'R.attr.meta.k == null',
  'R.attr.meta.k.j == "red"',
  'R.attr.meta.k != 1',
  'R.attr.meta.red > 1',
  'R.attr.meta.red == R.attr.n',
  'R.attr.meta.k < "s"',
  'R.attr.meta.k == R.attr.author',
  'R.attr.meta.k in ["red", 1]',
  '!(R.attr.meta.k in ["red", 1])',
  'R.attr.meta[0] == "red"',
  'R.attr.meta[1] == 1',
  'R.attr.meta[R.attr.author] == 2.5',
  'R.attr.meta == "red"',
  'R.attr.meta != true',
  'R.attr.meta == null',
  'R.attr.meta == {}',
  'R.attr.meta == []',
  'R.attr.meta == {"k": "red"}',
  'R.attr.meta == [["red"]]',
  'R.attr.meta.startsWith("r")',
  'R.attr.meta',
  'R.attr.tags == ["red", "blue"]',
  'R.attr.tags != ["red", "blue"]',
  'R.attr.tags == []',
  'R.attr.tags == null',
  'R.attr.tags == ["red", null]',
  'R.attr.nums == [1, 2]',
  'R.attr.tags == R.attr.meta',
  'hasIntersection(R.attr.tags, ["red", "blue"])',
  '!hasIntersection(R.attr.tags, ["red", 1])',
  'hasIntersection(["red", null], R.attr.tags)',
  'hasIntersection(R.attr.tags, P.attr.teams)',
  'hasIntersection(R.attr.tags, P.attr.none)',
  'hasIntersection(R.attr.tags, R.attr.meta)',
  'hasIntersection(R.attr.nums, [1, 2.5])',
  'has_intersection(R.attr.nums, [1])',
  'hasIntersection(R.attr.meta, ["red"])',
  'isSubset(R.attr.tags, ["red", "blue", "a"])',
  '!isSubset(R.attr.tags, ["red", "blue", 1])',
  'isSubset(R.attr.tags, ["red", null])',
  'isSubset(["red"], R.attr.tags)',
  'isSubset(["red", null], R.attr.tags)',
  'isSubset([1], R.attr.tags)',
  'isSubset(R.attr.meta, ["red"])',
  'is_subset(R.attr.nums, [1, 2])',
  'except(R.attr.tags, ["red"]) == []',
  'size(except(R.attr.tags, ["red"])) == 1',
  'except(R.attr.tags, ["red"]) == ["blue"]',
  'R.attr.tags.exists(t, t == "red")',
  'R.attr.tags.exists(t, t.startsWith("r"))',
  'R.attr.tags.exists(t, t < "b")',
  'R.attr.tags.exists(t, t == R.attr.author)',
  'R.attr.tags.exists(t, t in P.attr.teams)',
  'R.attr.tags.exists(t, R.attr.flag)',
  '!R.attr.tags.exists(t, t < "")',
  '!R.attr.tags.exists_one(t, t < "red")',
  '!(R.attr.tags.filter(t, t < "b") == ["a"])',
  'R.attr.tags.all(t, t < "zzzz")',
  'R.attr.tags.all(t, t.size() > 1)',
  'R.attr.tags.all(t, R.attr.n == 2.5)',
  '!R.attr.tags.all(t, t.startsWith("r"))',
  'R.attr.tags.exists_one(t, t == "red")',
  'R.attr.tags.exists_one(t, t < "red")',
  'R.attr.tags.filter(t, t == "red").size() == 1',
  'R.attr.tags.filter(t, t != "red") == ["blue"]',
  'R.attr.tags.filter(t, t < "red") == []',
  'R.attr.tags.map(t, t + "x") == ["redx", "bluex"]',
  'R.attr.tags.map(t, t.size()) == [3, 4]',
  'R.attr.tags.exists(t, R.attr.meta.exists(u, u == t))',
  'R.attr.tags.exists(t, R.attr.tags.exists(u, u != t))',
  'R.attr.meta.exists(k, k == "k")',
  'R.attr.meta.exists(k, R.attr.meta[k] == "red")',
  'R.attr.meta.all(k, k == "red")',
  'R.attr.meta.filter(t, t == "red").size() == 2',
  'R.attr.nums.exists(x, x > 1)',
  'R.attr.nums.all(x, x > 0)',
  '["red", "blue"].exists(x, x == R.attr.author)',
  '["red", "blue"].all(x, x != R.attr.author)',
  '["red", "blue"].exists_one(x, x == R.attr.author)',
  '["red", "blue"].filter(x, x == R.attr.author).size() == 1',
  '[R.attr.author, R.attr.title].exists(x, x == "red")',
  '[R.attr.author, R.attr.title].all(x, x != "red")',
  'P.attr.teams.exists(x, x == R.attr.author)',
  'timestamp(R.attr.at) > timestamp("2024-01-01T00:00:00Z")',
  'timestamp(R.attr.at) <= timestamp("2024-03-01T10:20:30.123Z")',
  'timestamp(R.attr.at) >= timestamp("2024-03-01T10:20:30.123456Z")',
  'timestamp(R.attr.at) == timestamp("2024-03-01T11:20:30.123+01:00")',
  'timestamp(R.attr.at) != timestamp("2024-03-01T10:20:30.123Z")',
  'timestamp("2024-01-01T00:00:00Z") < timestamp(R.attr.at)',
  'timestamp(R.attr.at) < now()',
  'timestamp(R.attr.at) == timestamp(R.attr.until)',
  'timestamp(R.attr.at) < timestamp(R.attr.until)',
  'timestamp(R.attr.at) + duration("24h") > timestamp("2024-03-02T00:00:00Z")',
  'timestamp(R.attr.at) - duration("1h30m") < timestamp("2024-03-01T10:20:30Z")',
  'timestamp(R.attr.at) + duration("24h") < timestamp("2500-01-01T00:00:00Z")',
  'timestamp(R.attr.at) - timestamp("2024-03-01T10:20:00Z") < duration("31s")',
  'timestamp("2024-03-01T10:20:00Z") - timestamp(R.attr.at) < duration("31s")',
  'timestamp(R.attr.at).timeSince() > duration("1h")',
  'timestamp(R.attr.at).timeSince() < duration("1h")',
  'now() - timestamp(R.attr.at) > duration("1h")',
  ...[
    'getFullYear() == 2024',
    'getMonth() == 2',
    'getDate() == 1',
    'getDayOfMonth() == 0',
    'getDayOfWeek() == 5',
    'getDayOfYear() == 60',
    'getDayOfYear() == 365',
    'getHours() == 10',
    'getMinutes() == 20',
    'getSeconds() == 30',
    'getSeconds() == 59',
    'getMilliseconds() == 123',
    'getMilliseconds() == 999',
  ].map((part) => `timestamp(R.attr.at).${part}`),
  'R.attr.at == null',
  'R.attr.at != null',
  'hierarchy(R.attr.author).overlaps(hierarchy("a.b"))',
  'hierarchy(R.attr.author).ancestorOf(hierarchy("a.b.c"))',
  'hierarchy("a").ancestorOf(hierarchy(R.attr.author))',
  'hierarchy(R.attr.author).descendentOf(hierarchy("a"))',
  'hierarchy(R.attr.author).immediateChildOf(hierarchy("a"))',
  'hierarchy(R.attr.author).immediateParentOf(hierarchy("a.b"))',
  'hierarchy(R.attr.author).overlaps(hierarchy(R.attr.title))',
  'hierarchy(R.attr.author, "-").overlaps(hierarchy("a-b", "-"))',
  `hierarchy(R.attr.author, "'").overlaps(hierarchy("x' OR TRUE --", "'"))`,
  'hierarchy(R.attr.author, "\\\\").overlaps(hierarchy("\\\\", "\\\\"))',
  'P.attr.many.exists(x, x == R.attr.author)',
  'R.attr.ref == "6f9619ff-8b86-4d01-b42d-00c04fc964ff"',
  'R.attr.ref == "6F9619FF-8B86-4D01-B42D-00C04FC964FF"',
  'R.attr.ref != "no uuid"',
  'R.attr.ref.startsWith("6f")',
  'R.attr.ref in ["6f9619ff-8b86-4d01-b42d-00c04fc964ff", "no uuid"]',
  { all: { of: [some('R.attr.flag'), some('R.attr.author == "red"')] } },
  { any: { of: [some('R.attr.flag'), { all: { of: [some('R.attr.n > 1'), some('R.attr.author != "red"')] } }] } },
  'true',
  'false',
];

/** What has no exact counterpart. */
const refusals: readonly string[] = [
  'R.attr.n + 1 > 2',
  'R.attr.n + 1.0 > 2.0',
  'int(R.attr.n) % 2 == 0',
  'R.attr.n / R.attr.m > 1.0',
  'R.attr.nowhere == 1',
  'R.attr.author.matches("^r.*d$")',
  'R.attr.author.matches(R.attr.title)',
  'R.attr.author < 5',
  'R.attr.flag && R.attr.author',
  'R.attr.author.inIPAddrRange("10.0.0.0/8")',
  'intersect(R.attr.tags, ["red"]) == ["red"]',
  'timestamp(R.attr.author) < now()',
  'timestamp(R.attr.at).getHours("Europe/Berlin") == 11',
  'R.attr.at == "2024-03-01T10:20:30.123Z"',
  'string(R.attr.n) == "1"',
  'int(R.attr.author) == 1',
  'type(R.attr.author) == string',
  'R.attr.meta == [1]',
  '!(R.attr.meta in R.attr.meta)',
  'R.attr.meta.k == R.attr.meta.red',
  'R.attr.n == 9007199254740993',
  'R.attr.tags.exists(R, R == "red")',
  'R.attr.tags.map(t, dyn(t.size())).exists(x, x + 0.5 > 1.0)',
  '[1, 2].exists_one(x, x + R.attr.n > 2.0)',
  'R.attr.meta.k + R.attr.meta.j == "redred"',
  'R.attr.author == "\\u0000"',
  'R.policyVersion == "default"',
  'R.attr.author.trim() == "red"',
  'math.greatest(R.attr.n, 2.0) > 1.0',
  'R.attr.author.replace("r", "x") == "xed"',
  'R.attr == {"author": "red"}',
];

const sorted = (ids: ReadonlySet<string>): readonly string[] => [...ids].sort();

/** For each condition of the corpus: a list finds what was checked. */
function findTheRows(known: () => { readonly engine: Engine; readonly checked: readonly ReadonlySet<string>[] }): void {
  it.each(
    corpus.map(
      (condition, index) => [typeof condition === 'string' ? condition : JSON.stringify(condition), index] as const,
    ),
  )('%s finds the rows that a check allows', async (_condition, index) => {
    const { engine, checked } = known();
    const found = await listed(engine.pdp, 'document', `a${String(index)}`, map);
    if (found instanceof Error) throw found.detail === undefined ? found : new Error(found.detail, { cause: found });
    expect(sorted(found)).toEqual(sorted(checked[index]!));
  });
}

describe('a fixed condition for each operator', () => {
  let engine: Engine;
  let checked: readonly ReadonlySet<string>[];
  beforeAll(async () => {
    engine = await engineFor([policyOf('document', [...corpus, ...refusals])]);
    checked = await allowed(
      engine.pdp,
      'document',
      corpus.map((_condition, index) => `a${String(index)}`),
      map,
    );
  });
  afterAll(() => engine.close());

  findTheRows(() => ({ engine, checked }));

  it.each(refusals.map((condition, index) => [condition, corpus.length + index] as const))(
    '%s is refused',
    async (_condition, index) => {
      expect(await listed(engine.pdp, 'document', `a${String(index)}`, map)).toMatchObject({
        code: 'plan_untranslatable',
      });
    },
  );
});

describe('the same conditions on the engine of this process', () => {
  // A variable that hides `R` is refused with its policy.
  const others = refusals.filter((condition) => !condition.includes('exists(R,'));
  const all = [...corpus, ...others];
  let engine: Engine;
  let checked: readonly ReadonlySet<string>[];
  beforeAll(async () => {
    engine = await engineFor([policyOf('document', all)], (policies) => embedded({ policies, pollMs: 0 }));
    checked = await allowed(
      engine.pdp,
      'document',
      all.map((_condition, index) => `a${String(index)}`),
      map,
    );
  });
  afterAll(() => engine.close());

  findTheRows(() => ({ engine, checked }));

  it.each(others.map((condition, index) => [condition, corpus.length + index] as const))(
    '%s is refused, or finds what a check allows',
    async (_condition, index) => {
      const found = await listed(engine.pdp, 'document', `a${String(index)}`, map).catch((error: unknown) => error);
      if (found instanceof PortcullisError) expect(['plan_untranslatable', 'pdp_unavailable']).toContain(found.code);
      else expect(found).toEqual(checked[index]);
    },
  );
});

/** Conditions over what can be translated, and now and then over what cannot. */
const conditions = fc.letrec<{ bool: string; text: string; number: string; list: string; atom: string }>((tie) => {
  const text = fc.constantFrom('R.attr.author', 'R.attr.title', 'R.attr["we ird"]', 'R.id', 'R.attr.ref');
  const any = fc.constantFrom(
    'R.attr.author',
    'R.attr.flag',
    'R.attr.n',
    'R.attr.count',
    'R.attr.amount',
    'R.attr.meta',
    'R.attr.meta.k',
    'R.attr.tags',
    'R.attr.tags[0]',
    'R.attr.nums[1]',
  );
  const string = fc.constantFrom(...texts, 'alice', 'row3').map((value) => JSON.stringify(value));
  const double = fc.constantFrom('0.5', '2.5', '-2.5', '0.1', '1.5', '1e21', '-1e21');
  const whole = fc.constantFrom('0', '1', '2', '3', '-1');
  const constant = fc.oneof(string, double, whole, fc.constantFrom('true', 'null', 'P.id'));
  const constants = fc.oneof(
    fc
      .array(fc.oneof(string, whole, double, fc.constantFrom('null', 'true')), { maxLength: 3 })
      .map((all) => `dyn([${all.map((one) => `dyn(${one})`).join(', ')}])`),
    fc.array(string, { maxLength: 3 }).map((all) => `dyn([${all.join(', ')}])`),
  );
  // The planner takes `x in []` for false whatever `x` is, and a check may find an error in it.
  const plain = fc.constantFrom(
    'R.attr.author',
    'R.attr.flag',
    'R.attr.n',
    'R.attr.count',
    'R.attr.tags',
    'R.attr.meta',
  );
  const filled = constants.filter((list) => list !== 'dyn([])');
  const order = fc.constantFrom('<', '<=', '>', '>=');
  const same = fc.constantFrom('==', '!=');
  const search = fc.constantFrom('contains', 'startsWith', 'endsWith');
  const put = (...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> =>
    fc.tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part))).map((all) => all.join(''));
  return {
    text: fc.oneof(
      { maxDepth: 2 },
      text,
      text,
      put(text, '.lowerAscii()'),
      put('(', text, ' + ', string, ')'),
      put('(', text, ' + ', text, ')'),
      put('(', tie('bool'), ' ? ', text, ' : ', text, ')'),
    ),
    number: fc.oneof(
      { maxDepth: 2 },
      fc.constantFrom(
        'R.attr.n',
        'R.attr.m',
        'R.attr.count',
        'R.attr.big',
        'R.attr.amount',
        'R.attr.meta.red',
        'R.attr.nums[0]',
      ),
      put('(', tie('number'), fc.constantFrom(' + ', ' - ', ' * '), double, ')'),
      put('(R.attr.n', fc.constantFrom(' + ', ' - ', ' * '), tie('number'), ')'),
    ),
    list: fc.oneof(
      fc.constantFrom('R.attr.tags', 'R.attr.nums', 'R.attr.marks', 'R.attr.meta', 'R.attr.meta.k'),
      put('R.attr.tags.filter(t, t ', same, ' ', string, ')'),
      put('except(R.attr.tags, ', constants, ')'),
    ),
    atom: fc.oneof(
      put(any, ' ', same, ' ', constant),
      put(text, ' ', same, ' ', text),
      put(any, ' ', same, ' ', any),
      put(plain, ' in ', constants),
      put(any, ' in ', filled),
      put('dyn(', constant, ') in ', tie('list')),
      put(text, ' in ', tie('list')),
      put(tie('text'), ' ', order, ' ', string),
      put(tie('text'), ' ', order, ' ', text),
      put(tie('text'), '.', search, '(', string, ')'),
      put(tie('text'), '.', search, '(', text, ')'),
      put('size(', tie('list'), ') ', order, ' ', whole),
      put('size(', tie('text'), ') ', order, ' ', whole),
      put(tie('number'), ' ', order, ' ', fc.oneof(double, whole)),
      put(tie('number'), ' ', order, ' R.attr.m'),
      put('hasIntersection(', tie('list'), ', ', constants, ')'),
      put('isSubset(', tie('list'), ', ', constants, ')'),
      put('isSubset(', constants, ', ', tie('list'), ')'),
      put(tie('list'), ' ', same, ' ', constants),
      put(
        'timestamp(R.attr.at) ',
        fc.oneof(order, same),
        ' timestamp("2024-03-01T10:20:30.123',
        fc.constantFrom('', '4', '456', '999999'),
        'Z")',
      ),
      put(
        'timestamp(R.attr.at) + duration("',
        fc.constantFrom('1h', '-36h', '0.5s', '1us'),
        '") ',
        order,
        ' timestamp("2024-03-01T10:20:30.123Z")',
      ),
      put('has(', fc.constantFrom('R.attr.author', 'R.attr.tags', 'R.attr.n'), ')'),
      fc.constantFrom('R.attr.flag', 'R.attr.meta', 'true', 'false', 'has(R.attr.meta)'),
    ),
    bool: fc.oneof(
      { maxDepth: 3 },
      tie('atom'),
      put('!(', tie('bool'), ')'),
      put('(', tie('bool'), ' && ', tie('bool'), ')'),
      put('(', tie('bool'), ' || ', tie('bool'), ')'),
      put('(', tie('bool'), ' ? ', tie('bool'), ' : ', tie('bool'), ')'),
      put(
        tie('list'),
        fc.constantFrom('.exists(x, ', '.all(x, ', '.exists_one(x, '),
        fc.oneof(
          put('x ', fc.oneof(same, order), ' ', string),
          put('x ', same, ' ', any),
          put('x in ', constants),
          tie('bool'),
        ),
        ')',
      ),
    ),
  };
}).bool;

/**
 * Conditions that stand alone: within `? :` and within lambdas the planner leaves the principal’s attributes as they
 * are, and what is refused somewhere refuses the whole.
 */
const alone = fc.oneof(
  fc.constantFrom(
    'R.attr.author in P.attr.teams',
    '!(R.attr.author in P.attr.teams)',
    'R.attr.author in P.attr.none',
    'R.attr.author != P.attr.team',
    'R.attr.author == P.attr.nope',
    'R.attr.n < P.attr.limit',
    'hasIntersection(R.attr.tags, P.attr.teams)',
    'isSubset(R.attr.tags, P.attr.teams)',
    'P.attr.teams.exists(x, x == R.attr.author)',
    'P.attr.levels[R.attr.author] == "admin"',
  ),
  fc.constantFrom('R.attr.nowhere == 1', 'int(R.attr.n) % 2 == 1'),
);

const matches: fc.Arbitrary<Match> = fc.letrec<{ match: Match }>((tie) => {
  const expr = fc
    .oneof({ weight: 12, arbitrary: conditions }, { weight: 1, arbitrary: alone })
    .map((condition): Match => ({ expr: condition }));
  const of = fc.array(tie('match'), { minLength: 1, maxLength: 3 });
  return {
    match: fc.oneof(
      { maxDepth: 1 },
      expr,
      of.map((all): Match => ({ all: { of: all } })),
      of.map((any): Match => ({ any: { of: any } })),
    ),
  };
}).match;

const withNone: fc.Arbitrary<Match> = fc
  .tuple(matches, matches, fc.boolean())
  .map(([one, other, nested]) =>
    nested ? { all: { of: [one, { none: { of: [other] } }] } } : { none: { of: [one, other] } },
  );

/** Some columns only: a row that lacks one of them is left out, and most rows lack one of all. */
const absent: ColumnMap = {
  ...map,
  columns: {
    ...map.columns,
    author: { type: 'text', null: 'absent' },
    n: { type: 'number', null: 'absent' },
    tags: { type: 'text[]', null: 'absent' },
  },
};

/** What a plan's SQL finds; nothing where there is no plan, or no translation. */
async function listedOrNot(
  pdp: PolicyDecisionPoint,
  kind: string,
  action: string,
  by: ColumnMap,
): Promise<ReadonlySet<string> | undefined> {
  try {
    const found = await listed(pdp, kind, action, by);
    return found instanceof PortcullisError ? undefined : found;
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'pdp_unavailable') return undefined;
    throw error;
  }
}

const settings = { numRuns: Number(process.env['PORTCULLIS_PLAN_RUNS'] ?? 1), endOnFailure: true } as const;

/** One policy of each batch that certainly finds rows: without any, the comparison would say nothing. */
const fixedPolicy = {
  role: some('R.attr.author == "red"'),
  allow: { none: { of: [some('R.attr.flag')] } },
  deny: some('R.attr.n > 2.0'),
  mapped: true,
};

describe('generated policies', () => {
  it('list exactly the rows that a check allows, row by row', async () => {
    let translated = 0;
    let all = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(matches, { minLength: 40, maxLength: 40 }), async (generated) => {
        const engine = await engineFor([policyOf('document', generated)]);
        try {
          const actions = generated.map((_match, index) => `a${String(index)}`);
          const checked = await allowed(engine.pdp, 'document', actions, map);
          const wrong: unknown[] = [];
          for (const [index, action] of actions.entries()) {
            const found = await listedOrNot(engine.pdp, 'document', action, map);
            all++;
            if (found === undefined) continue;
            translated++;
            const [list, check] = [sorted(found), sorted(checked[index]!)];
            if (list.join() !== check.join()) wrong.push({ condition: JSON.stringify(generated[index]), list, check });
          }
          expect(wrong).toEqual([]);
        } finally {
          await engine.close();
        }
      }),
      settings,
    );
    // The refused ones say nothing: most have to be translated.
    expect(translated).toBeGreaterThan(all / 2);
  });

  it('list no row that a check denies, with absent attributes, `none`, deny rules and derived roles', async () => {
    const policy = fc.record({
      role: matches,
      allow: fc.oneof(matches, withNone),
      deny: fc.oneof(matches, withNone),
      mapped: fc.boolean(),
    });
    let found = 0;
    let translated = 0;
    let all = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(policy, { minLength: 12, maxLength: 12 }), async (chosen) => {
        const generated = [fixedPolicy, ...chosen];
        const engine = await engineFor(generated.flatMap(fullPolicy));
        try {
          for (const [index, { mapped }] of generated.entries()) {
            const by = mapped ? map : absent;
            const list = await listedOrNot(engine.pdp, `kind${String(index)}`, 'read', by);
            all++;
            if (list === undefined) continue;
            translated++;
            const [check] = await allowed(engine.pdp, `kind${String(index)}`, ['read'], by);
            const more = sorted(list).filter((id) => !check!.has(id));
            found += list.size;
            expect({ policy: JSON.stringify(generated[index]), more }).toEqual({
              policy: JSON.stringify(generated[index]),
              more: [],
            });
          }
        } finally {
          await engine.close();
        }
      }),
      settings,
    );
    // Few policies may all be refused by chance; many may not. The fixed one always finds rows.
    if (all >= 60) expect(translated).toBeGreaterThan(all / 4);
    expect(found).toBeGreaterThan(0);
  });
});

describe('arithmetic where doubles end', () => {
  it('raises no error, and finds no row that a check denies', async () => {
    const edges = [1e308, -1e308, 5e-324, 2.2e-308, 1.7976931348623157e308, 1e200, 1e-200, 0, -0, 1e300, 1e-300];
    const generated = ['+', '-', '*'].flatMap((by) =>
      ['>', '<=', '=='].flatMap((than) => [
        `R.attr.n ${by} R.attr.m ${than} 0.5`,
        `!(R.attr.n ${by} 0.5 ${than} R.attr.m)`,
      ]),
    );
    const others = ['R.attr.n / 0.001 > 1.5', '-R.attr.n < 0.5', 'int(R.attr.n) > 1', 'math.ceil(R.attr.n) > 0.5'];
    const all = [...generated, ...others];
    const engine = await engineFor([policyOf('document', all)]);
    const before = stored;
    await client.query('BEGIN');
    try {
      await client.query(
        'INSERT INTO document (id, n, m) SELECT format($2, i, j), n, m FROM unnest($1::double precision[]) WITH ORDINALITY AS a(n, i), unnest($1::double precision[]) WITH ORDINALITY AS b(m, j)',
        [edges, 'edge%s-%s'],
      );
      stored = (await client.query<Row>("SELECT * FROM document WHERE id LIKE 'edge%'")).rows;
      const actions = all.map((_condition, index) => `a${String(index)}`);
      const checked = await allowed(engine.pdp, 'document', actions, map);
      let total = 0;
      for (const [index, action] of actions.entries()) {
        const found = await listed(engine.pdp, 'document', action, map);
        if (found instanceof Error) throw found;
        const edge = sorted(found).filter((id) => id.startsWith('edge'));
        total += edge.length;
        expect({ condition: all[index], more: edge.filter((id) => !checked[index]!.has(id)) }).toEqual({
          condition: all[index],
          more: [],
        });
      }
      expect(total).toBeGreaterThan(100);
    } finally {
      stored = before;
      await client.query('ROLLBACK');
      await engine.close();
    }
  });
});

describe('what the engine plans otherwise than it checks', () => {
  // Nothing in these plans tells. When one of them changes, the list at the top and in `planToSql` is to change.
  const known = [
    ['has(R.attr.meta.k)', 'always_allowed'],
    ['!(R.attr.tags[0] in P.attr.none)', 'always_allowed'],
    ['{"red": 1}[R.attr.author] > 0', 'always_denied'],
  ] as const;
  let engine: Engine;
  beforeAll(async () => {
    engine = await engineFor([
      policyOf('document', [...known.map(([condition]) => condition), 'R.attr.author != b"x"']),
    ]);
  });
  afterAll(() => engine.close());

  it.each(known.map(([condition, outcome], index) => [condition, outcome, index] as const))(
    '%s is planned as %s, whatever the row',
    async (_condition, outcome, index) => {
      const action = `a${String(index)}`;
      const plan = await engine.pdp.plan({ principal: alice, scope: '', kind: 'document', action, tenant });
      const [checked] = await allowed(engine.pdp, 'document', [action], map);
      expect(plan.outcome).toBe(outcome);
      expect(checked!.size).toBeGreaterThan(0);
      expect(checked!.size).toBeLessThan(stored.length);
    },
  );

  it('a bytes literal is planned as its base64 text', async () => {
    const plan = await engine.pdp.plan({ principal: alice, scope: '', kind: 'document', action: 'a3', tenant });
    expect(plan).toMatchObject({ condition: { operator: 'ne', operands: [{}, { type: 'value', value: 'eA==' }] } });
  });
});

describe('a query of Kysely', () => {
  it('finds the same rows', async () => {
    const engine = await engineFor([policyOf('document', corpus.slice(0, 40))]);
    const db = new Kysely<{ document: { id: string } }>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: server.url(), max: 1 }) }),
    });
    try {
      for (const [index, condition] of corpus.slice(0, 40).entries()) {
        const action = `a${String(index)}`;
        const plan = await engine.pdp.plan({ principal: alice, scope: '', kind: 'document', action, tenant });
        const found = await db.selectFrom('document').select('id').where(planWhere(plan, map)).execute();
        const wanted = await listed(engine.pdp, 'document', action, map);
        if (wanted instanceof Error) throw wanted;
        expect({ condition, found: found.map(({ id }) => id).sort() }).toEqual({ condition, found: sorted(wanted) });
      }
    } finally {
      await db.destroy();
      await engine.close();
    }
  });
});

describe('an array of more than one dimension', () => {
  it('is no list of its innermost elements', async () => {
    await client.query('CREATE TABLE deep (id text, tags text[])');
    await client.query("INSERT INTO deep VALUES ('flat', '{red}'), ('deep', '{{red}}'), ('empty', '{}')");
    const tags = { type: 'variable', name: 'request.resource.attr.tags' } as const;
    const values = (...of: readonly string[]): PlanExpression => ({ type: 'value', value: of });
    const find = async (operator: string, ...operands: readonly PlanExpression[]): Promise<readonly string[]> => {
      const condition = { type: 'operation', operator, operands } as const;
      const plan = { callId: '', durationMs: 0, engine: 'test', outcome: 'conditional', condition } as const;
      const query = planToSql(plan, { columns: { tags: 'text[]' } });
      const found = await client.query<{ id: string }>(`SELECT id FROM deep WHERE ${query.text}`, [...query.values]);
      return found.rows.map(({ id }) => id);
    };
    expect(await find('in', { type: 'value', value: 'red' }, tags)).toEqual(['flat']);
    expect(await find('hasIntersection', tags, values('red'))).toEqual(['flat']);
    expect(await find('isSubset', values('red'), tags)).toEqual(['flat']);
    expect(await find('isSubset', tags, values('red'))).toEqual(['flat', 'empty']);
    expect(await find('isSubset', values(), tags)).toEqual(['flat', 'empty']);
  });
});

describe('a column whose collation takes different strings for equal', () => {
  it('is compared byte by byte', async () => {
    await client.query("CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    await client.query('CREATE TABLE blind (id text, author text COLLATE blind, tags text[] COLLATE blind)');
    await client.query("INSERT INTO blind VALUES ('same', 'red', '{red}'), ('other', 'RED', '{RED}')");
    const find = async (condition: PlanExpression): Promise<readonly string[]> => {
      const plan = { callId: '', durationMs: 0, engine: 'test', outcome: 'conditional', condition } as const;
      const { text, values } = planToSql(plan, { columns: { author: 'text', tags: 'text[]' } });
      const found = await client.query<{ id: string }>(`SELECT id FROM blind WHERE ${text}`, [...values]);
      return found.rows.map(({ id }) => id);
    };
    const author = { type: 'variable', name: 'request.resource.attr.author' } as const;
    const tags = { type: 'variable', name: 'request.resource.attr.tags' } as const;
    const red = { type: 'value', value: 'red' } as const;
    const reds = { type: 'value', value: ['red', 'x'] } as const;
    const of = (operator: string, ...operands: readonly PlanExpression[]): PlanExpression => ({
      type: 'operation',
      operator,
      operands,
    });
    for (const condition of [
      of('eq', author, red),
      of('in', author, reds),
      of('in', red, tags),
      of('hasIntersection', tags, reds),
      of('isSubset', tags, reds),
      of('isSubset', { type: 'value', value: ['red'] }, tags),
      of('contains', author, red),
      of('startsWith', author, red),
      of('endsWith', author, red),
      of('matches', author, { type: 'value', value: '^red$' }),
      of('exists', tags, of('lambda', of('eq', { type: 'variable', name: 't' }, red), { type: 'variable', name: 't' })),
    ])
      expect({ condition, found: await find(condition) }).toEqual({ condition, found: ['same'] });
    expect(await find(of('ne', author, red))).toEqual(['other']);
    expect(await find(of('lt', author, { type: 'value', value: 'rEd' }))).toEqual(['other']);
    expect(await find(of('ge', author, { type: 'value', value: 'rEd' }))).toEqual(['same']);
    expect(await find(of('not', of('in', red, tags)))).toEqual(['other']);
  });
});

function fullPolicy(
  { role, allow, deny }: { readonly role: Match; readonly allow: Match; readonly deny: Match },
  index: number,
): readonly unknown[] {
  const name = `roles${String(index)}`;
  return [
    {
      apiVersion: 'api.cerbos.dev/v1',
      derivedRoles: { name, definitions: [{ name: 'near', parentRoles: ['member'], condition: { match: role } }] },
    },
    {
      apiVersion: 'api.cerbos.dev/v1',
      resourcePolicy: {
        resource: `kind${String(index)}`,
        version: 'default',
        importDerivedRoles: [name],
        rules: [
          { actions: ['read'], effect: 'EFFECT_ALLOW', derivedRoles: ['near'] },
          { actions: ['read'], effect: 'EFFECT_ALLOW', roles: ['member'], condition: { match: allow } },
          { actions: ['read'], effect: 'EFFECT_DENY', roles: ['*'], condition: { match: deny } },
        ],
      },
    },
  ];
}
