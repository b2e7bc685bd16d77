/** A model with the usual parts; any of them can be another. */
export function model(parts: Partial<Record<'r' | 'p' | 'g' | 'e' | 'm', string>> = {}): string {
  return `[request_definition]
r = ${parts.r ?? 'sub, dom, obj, act'}
[policy_definition]
p = ${parts.p ?? 'sub, dom, obj, act'}
[role_definition]
${parts.g ?? 'g = _, _, _'}
[policy_effect]
e = ${parts.e ?? 'some(where (p.eft == allow))'}
[matchers]
m = ${parts.m ?? 'g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act'}
`;
}
