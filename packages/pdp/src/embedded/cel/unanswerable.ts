/**
 * A question that this engine will not answer: it costs too much, or it comes to something of which Cerbos's own answer
 * is an accident. It is thrown, unlike the failure of an expression: no rule may be decided by it.
 */
export class Unanswerable extends Error {
  override readonly name = 'Unanswerable';
}
