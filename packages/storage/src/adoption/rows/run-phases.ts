import { refused } from '../../access.js';
import type { TenantSql } from '../../postgres/tenant-sql.js';
import type { AdoptionCall } from '../adoption-step.js';
import type { RowsWork } from './rows-work.js';
import { addRecord, adoptedRecords, makeRecords, setPhase, type AdoptedRecord } from './adopted-tables.js';
import { adoptionPhases, phaseNames, type Phase } from './adoption-phases.js';
import { qualified } from './qualified.js';
import { tableFacts, type TableFacts, type TableName } from './table-facts.js';
import { tableObstacles } from './table-obstacles.js';

/** Brings every table to the end of the way, from wherever it is. @returns how many tables there are */
export async function runPhases(work: RowsWork, call: AdoptionCall): Promise<number> {
  const target = work.target(call.tenant);
  let done = 0;
  const step = (): void => {
    done += 1;
    call.progress({ transactions: done });
  };
  for (const name of work.tables) {
    if (await work.transaction(call, (sql) => beginTable(sql, work, call, name))) step();
  }
  const all = (await work.transaction(call, (sql) => ownRecords(sql, work, call))).map(({ facts }) => facts);
  for (const phase of adoptionPhases(all, target).slice(1)) {
    const groups = phase.together ? [all] : all.map((facts) => [facts]);
    for (const group of groups)
      if (await work.transaction(call, (sql) => takePhase(sql, work, call, phase, group))) step();
  }
  return all.length;
}

/** The records of this step's tables; refuses those that are another tenant's or another step's. */
export async function ownRecords(
  sql: TenantSql,
  { tables, name: step }: RowsWork,
  { tenant }: Pick<AdoptionCall, 'tenant'>,
): Promise<readonly AdoptedRecord[]> {
  const all = await adoptedRecords(sql);
  const named = (facts: TableFacts): boolean =>
    tables.some(({ schema, table }) => schema === facts.schema && table === facts.table);
  const own = all.filter((record) => record.tenant === tenant && record.step === step);
  const foreign = all.find((record) => named(record.facts) && !own.includes(record));
  if (foreign !== undefined)
    throw refused(`${qualified(foreign.facts)} was adopted for \`${foreign.tenant}\` by \`${foreign.step}\``);
  const unnamed = own.find(({ facts }) => !named(facts));
  if (unnamed !== undefined)
    throw refused(`${qualified(unnamed.facts)} was adopted by this step too: name it in \`tables\``);
  return own;
}

/** The first phase, with the facts for the way back in the same transaction. @returns false when it is done already */
async function beginTable(sql: TenantSql, work: RowsWork, call: AdoptionCall, name: TableName): Promise<boolean> {
  const target = work.target(call.tenant);
  const records = await ownRecords(sql, work, call);
  if (records.some(({ facts }) => facts.schema === name.schema && facts.table === name.table)) return false;
  await sql.query(`LOCK TABLE ${qualified(name)} IN ACCESS EXCLUSIVE MODE`);
  const all: TableFacts[] = [];
  for (const each of work.tables) {
    const record = records.find(({ facts }) => facts.schema === each.schema && facts.table === each.table);
    all.push(record?.facts ?? (await tableFacts(sql, each)));
  }
  const [obstacle] = tableObstacles(all, target);
  if (obstacle !== undefined) throw refused(`\`${obstacle.what}\` cannot be adopted: it ${obstacle.why}`);
  const facts = all.find(({ schema, table }) => schema === name.schema && table === name.table);
  const [phase] = adoptionPhases(all, target);
  if (facts === undefined || phase === undefined) throw new TypeError('a table without facts');
  for (const statement of phase.statements(facts).flat()) await sql.query(statement);
  await makeRecords(sql);
  await addRecord(sql, { facts, phase: phase.name, tenant: call.tenant, step: work.name });
  return true;
}

async function takePhase(
  sql: TenantSql,
  work: RowsWork,
  call: AdoptionCall,
  phase: Phase,
  group: readonly TableFacts[],
): Promise<boolean> {
  const before = phaseNames[phaseNames.indexOf(phase.name) - 1];
  const records = await ownRecords(sql, work, call);
  const left = group.filter((facts) =>
    records.some((each) => qualified(each.facts) === qualified(facts) && each.phase === before),
  );
  if (left.length === 0 || before === undefined) return false;
  // What is done for all tables at once is done for all or for none.
  if (left.length < group.length) throw refused('the tables are not equally far: somebody has changed their records');
  await sql.query(`LOCK TABLE ${left.map(qualified).join(', ')} IN ${phase.lock.lock} MODE`);
  const parts = left.map((facts) => phase.statements(facts));
  for (let part = 0; part < Math.max(...parts.map(({ length }) => length)); part++)
    for (const statements of parts) for (const statement of statements[part] ?? []) await sql.query(statement);
  for (const facts of left) await setPhase(sql, facts, before, phase.name);
  return true;
}
