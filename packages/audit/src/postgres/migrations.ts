import { PortcullisError } from '@portcullis/core';
import { appendFunction, appendRight } from './append.js';
import type { Run } from './transaction.js';

/** Roles that are given what they need and no more. They have to exist. */
export interface AuditRoles {
  /** The gate's: adds records and checkpoints, and can change and delete none. */
  readonly writer?: string | undefined;
  /** Auditors: read. */
  readonly reader?: string | undefined;
  /** Removes what is past its time. */
  readonly retention?: string | undefined;
}

/** Quotes a name for SQL. */
export function quoted(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63)
    throw new PortcullisError('config_invalid', 'a name of the database is empty or too long');
  return `"${name.replaceAll('"', '""')}"`;
}

/** The steps in which the tables came to be. A step that was released is never changed: another one follows it. */
const steps: readonly ((schema: string) => string)[] = [
  (schema) => `
  CREATE TABLE ${schema}.heads (
    trail text COLLATE "C" PRIMARY KEY,
    seq bigint NOT NULL DEFAULT 0,
    hash text,
    checkpoint_n bigint NOT NULL DEFAULT 0,
    checkpoint_seq bigint NOT NULL DEFAULT 0,
    checkpoint_digest text
  ) WITH (fillfactor = 50);
  -- request_id is indexed, and a text that is too long for an index would be an error.
  CREATE TABLE ${schema}.records (
    trail text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    time text COLLATE "C" NOT NULL,
    prev text,
    hash text NOT NULL,
    entry text NOT NULL,
    actor text COLLATE "C" GENERATED ALWAYS AS (entry::jsonb #>> '{actor,id}') STORED,
    effect text COLLATE "C" GENERATED ALWAYS AS (entry::jsonb ->> 'effect') STORED,
    type text COLLATE "C" GENERATED ALWAYS AS (entry::jsonb ->> 'type') STORED,
    method text COLLATE "C" GENERATED ALWAYS AS (entry::jsonb ->> 'method') STORED,
    name text COLLATE "C" GENERATED ALWAYS AS (entry::jsonb ->> 'name') STORED,
    request_id text COLLATE "C" GENERATED ALWAYS AS (left(entry::jsonb ->> 'requestId', 200)) STORED,
    PRIMARY KEY (trail, seq)
  );
  CREATE INDEX records_of_trail ON ${schema}.records (trail, time, seq);
  CREATE INDEX records_of_time ON ${schema}.records (time, trail, seq);
  CREATE INDEX records_of_request ON ${schema}.records (request_id);
  CREATE TABLE ${schema}.checkpoints (
    trail text COLLATE "C" NOT NULL,
    n bigint NOT NULL,
    seq bigint NOT NULL,
    previous text,
    digest text NOT NULL,
    jws text NOT NULL,
    PRIMARY KEY (trail, n)
  );
  CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    IF TG_OP = 'DELETE' AND current_setting('portcullis.retention', true) = 'on' THEN RETURN NULL; END IF;
    RAISE EXCEPTION 'the audit trail is append-only: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END $$;
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.records
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse();
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${schema}.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse();
  CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON ${schema}.heads
    FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.refuse();
  CREATE FUNCTION ${schema}.forward() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
  BEGIN
    IF NEW.trail <> OLD.trail OR NEW.seq < OLD.seq OR NEW.checkpoint_n < OLD.checkpoint_n THEN
      RAISE EXCEPTION 'the audit trail is append-only: a trail does not go back' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER only_forward BEFORE UPDATE ON ${schema}.heads
    FOR EACH ROW EXECUTE FUNCTION ${schema}.forward();`,
  appendFunction,
];

/** Makes or completes the tables, and gives the roles their rights. Several may try at once. */
export async function migrateTrails(run: Run, name: string, roles: AuditRoles): Promise<void> {
  const schema = quoted(name);
  await run(`SELECT pg_advisory_xact_lock(hashtextextended('portcullis:' || $1, 0))`, [name]);
  await run(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await run(`REVOKE ALL ON SCHEMA ${schema} FROM PUBLIC`);
  await run(
    `CREATE TABLE IF NOT EXISTS ${schema}.migrations (step int PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now())`,
  );
  const done = (await run(`SELECT step FROM ${schema}.migrations`)).length;
  if (done > steps.length)
    throw new PortcullisError('config_invalid', 'the tables of the audit trail are newer than this version');
  for (const [index, step] of steps.entries()) {
    if (index < done) continue;
    await run(step(schema));
    await run(`INSERT INTO ${schema}.migrations (step) VALUES ($1)`, [index + 1]);
  }
  for (const grant of grants(schema, roles)) await run(grant);
}

function grants(schema: string, { writer, reader, retention }: AuditRoles): readonly string[] {
  const to = (role: string | undefined, rights: readonly string[]): readonly string[] =>
    role === undefined
      ? []
      : [
          `GRANT USAGE ON SCHEMA ${schema} TO ${quoted(role)}`,
          ...rights.map((right) => `GRANT ${right} TO ${quoted(role)}`),
        ];
  const [records, checkpoints, heads] = ['records', 'checkpoints', 'heads'].map((table) => `${schema}.${table}`);
  const all = [records, checkpoints, heads].join(', ');
  return [
    ...to(writer, [`SELECT ON ${all}`, `INSERT ON ${all}`, `UPDATE ON ${heads ?? ''}`, appendRight(schema)]),
    ...to(reader, [`SELECT ON ${all}`]),
    ...to(retention, [
      `SELECT ON ${all}`,
      `DELETE ON ${records ?? ''}, ${checkpoints ?? ''}`,
      `INSERT ON ${checkpoints ?? ''}`,
      `UPDATE ON ${heads ?? ''}`,
    ]),
  ];
}
