import type { CheckRequest, Decision } from '@portcullis/core';
import { unavailable } from '../unavailable.js';

/**
 * Lets an answer pass only if it has a decision at each place where one was asked for, and no other. An answer that is
 * one short would give everybody behind it somebody else's decision.
 *
 * @throws PortcullisError `pdp_unavailable`
 */
export function answersByPosition(
  { questions }: Pick<CheckRequest, 'questions'>,
  answer: readonly (readonly Decision[])[],
): readonly (readonly Decision[])[] {
  const complete =
    answer.length === questions.length &&
    questions.every(({ resource, actions }, place) => {
      const decisions = answer[place];
      return (
        decisions?.length === actions.length &&
        actions.every((action, index) => {
          const decision = decisions[index];
          return (
            decision?.action === action &&
            decision.resource.kind === resource.kind &&
            decision.resource.id === resource.id
          );
        })
      );
    });
  if (!complete) throw unavailable('the engine answered something else than it was asked');
  return answer;
}
