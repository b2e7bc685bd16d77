import { PortcullisError, type CheckRequest, type Decision, type PolicyDecisionPoint } from '@portcullis/core';

/** What of a decision both engines have to agree on, as text. */
type Answer = readonly (readonly string[])[] | 'unavailable';

/**
 * Asks two engines the same and tells where they differ; nothing where they agree.
 *
 * Of a denial, the outputs are not compared: Cerbos goes through the rules of a scope in an order of its own that
 * differs from start to start, and stops at the first rule that denies.
 */
export async function differences(
  one: PolicyDecisionPoint,
  other: PolicyDecisionPoint,
  request: CheckRequest,
): Promise<readonly string[]> {
  const [left, right] = await Promise.all([answerOf(one, request), answerOf(other, request)]);
  if (left === 'unavailable' || right === 'unavailable')
    return left === right ? [] : [`${one.engine}: ${text(left)}, ${other.engine}: ${text(right)}`];
  return request.questions.flatMap(({ resource, actions }, index) =>
    actions.flatMap((action, position) => {
      const [mine, theirs] = [left[index]?.[position], right[index]?.[position]];
      return mine === theirs
        ? []
        : [
            `${action} on ${JSON.stringify(resource)} by ${JSON.stringify(request.principal)} in \`${request.scope}\`\n  ${one.engine}: ${String(mine)}\n  ${other.engine}: ${String(theirs)}`,
          ];
    }),
  );
}

function text(answer: Answer): string {
  return answer === 'unavailable' ? answer : 'answers';
}

async function answerOf(pdp: PolicyDecisionPoint, request: CheckRequest): Promise<Answer> {
  try {
    return (await pdp.check(request)).map((decisions) => decisions.map(textOf));
  } catch (error) {
    if (error instanceof PortcullisError && error.code === 'pdp_unavailable') return 'unavailable';
    throw error;
  }
}

function textOf({ effect, policy, scope, policyVersion, outputs, obligations }: Decision): string {
  const said =
    effect === 'allow' ? [outputs, obligations].map((list) => list.map((item) => canonical(item)).sort()) : [];
  return JSON.stringify({ effect, policy, scope, policyVersion, said });
}

/** JSON with the members of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
