import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type { Plan } from '@portcullis/core';
import { expect, it } from 'vitest';
import { planWhere } from './kysely.js';

const db = new Kysely<{ document: { id: string; author: string; count: number } }>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (of) => new PostgresIntrospector(of),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

const plan: Plan = {
  callId: '',
  durationMs: 0,
  engine: 'test',
  outcome: 'conditional',
  condition: {
    type: 'operation',
    operator: 'in',
    operands: [
      { type: 'variable', name: 'request.resource.attr.author' },
      { type: 'value', value: ['alice', "'"] },
    ],
  },
};

it('a plan is a condition of a Kysely query, whose parameters Kysely numbers', () => {
  const { sql, parameters } = db
    .selectFrom('document as d')
    .select('id')
    .where('count', '>', 3)
    .where(planWhere(plan, { table: 'd', columns: { author: { type: 'text', null: 'absent' } } }))
    .where('id', '!=', 'x')
    .compile();
  expect(sql).toBe(
    'select "id" from "document" as "d" where "count" > $1 and ("d"."author"::text IS NOT NULL AND ("d"."author"::text = ANY($2::text[]) AND "d"."author"::text COLLATE "C" = ANY($3::text[]))) and "id" != $4',
  );
  expect(parameters).toEqual([3, ['alice', "'"], ['alice', "'"], 'x']);
});

it('is narrowed by `or` and `not` as it stands', () => {
  const { sql } = db
    .selectFrom('document')
    .select('id')
    .where((eb) =>
      eb.not(eb.or([planWhere({ ...plan, outcome: 'always_denied' }, { columns: {} }), eb('id', '=', 'x')])),
    )
    .compile();
  expect(sql).toBe('select "id" from "document" where not (FALSE or "id" = $1)');
});
