/**
 * A model for roles in tenants: `*` in a line is every role, every kind or every action, and `deny` wins. It is the
 * model that `toCasbin` and `tenantRoleLines` write lines for.
 */
export const rbacModel = `[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act, eft
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = (p.sub == "*" || g(r.sub, p.sub, r.dom)) && (p.obj == "*" || r.obj == p.obj) && (p.act == "*" || r.act == p.act)
`;
