// npm run bench -- casbin: one plain casbin enforcer against small ones, as lines and tenants
// grow. Figures are printed and nothing more: a machine that is shared gives others.
import { newEnforcer, newModelFromString } from 'casbin';
import { tenantId } from '@portcullis/core';
import { casbin } from '@portcullis/pdp/casbin';
import { interleave, report } from './measure.mjs';

const model = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`;
const actions = ['read', 'write', 'list', 'erase', 'share'];

/** As many lines for as many tenants: each has as many kinds as there is room for. */
function linesOf(count, tenants) {
  return Array.from({ length: count }, (_none, at) => {
    const round = Math.floor(at / tenants);
    const kind = `kind_${Math.floor(round / actions.length)}`;
    return ['member', `t${at % tenants}`, kind, actions[round % actions.length]];
  });
}

for (const [count, tenants] of [
  [100, 10],
  [1_000, 10],
  [10_000, 10],
  [1_000, 1_000],
  [10_000, 1_000],
]) {
  const lines = linesOf(count, tenants);
  const plain = await newEnforcer(newModelFromString(model));
  await plain.addPolicies(lines);
  const startedAt = performance.now();
  const ours = await casbin({ model, lines: lines.map((values) => ({ ptype: 'p', values })) });
  const loadMs = performance.now() - startedAt;
  let next = 0;
  let other = 0;
  const pick = (at) => lines[(at * 7919) % lines.length];
  const requestOf = ([role, tenant, kind, action]) => ({
    principal: { id: 'bench#alice', roles: [role], attr: {} },
    scope: tenant,
    questions: [{ resource: { kind, id: '1', tenant: tenantId(tenant) }, actions: [action] }],
  });
  // Every enforcer is there before the measuring; what it costs to make one is measured apart.
  const made = performance.now();
  for (const line of lines) {
    const [[decision]] = await ours.check(requestOf(line));
    if (decision.effect !== 'allow') throw new Error('the engines do not agree');
  }
  const warmMs = performance.now() - made;
  if (!plain.enforceSync(...pick(1))) throw new Error('the engines do not agree');
  // One after the other and not in turns: a plain enforcer leaves nothing in the caches for who comes next.
  const rounds = { rounds: count > 1_000 ? 300 : 2_000, warmup: count > 1_000 ? 20 : 300 };
  const times = {
    ...(await interleave({ 'one plain enforcer, enforceSync': () => plain.enforceSync(...pick(next++)) }, rounds)),
    ...(await interleave(
      { 'the port, a small enforcer for each tenant and kind': () => ours.check(requestOf(pick(other++))) },
      { rounds: 10_000, warmup: 2_000 },
    )),
  };
  report(
    `${count} lines, ${tenants} tenants; loaded in ${loadMs.toFixed(0)} ms, each line asked once in ${warmMs.toFixed(0)} ms`,
    times,
  );
  await ours.close();
}
