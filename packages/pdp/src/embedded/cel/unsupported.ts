/** An expression, or a part of a policy, that this engine does not know: the policies are refused. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}
