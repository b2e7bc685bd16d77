/** Something that no plan can say: the plan is refused, and nothing is listed. */
export class Unplannable extends Error {
  override readonly name = 'Unplannable';
}

/** Says where it was, for operators. */
export function at<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Unplannable) throw new Unplannable(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}
