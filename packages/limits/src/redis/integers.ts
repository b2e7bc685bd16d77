/** Reads a script's answer. @throws Error when it is anything but so many whole numbers */
export function integers(answer: unknown, count: number): readonly number[] {
  if (Array.isArray(answer) && answer.length === count && answer.every((one) => Number.isSafeInteger(one)))
    return answer as readonly number[];
  throw new Error('redis gave an answer that is none');
}
