import type { Evaluation } from './question.js';

interface Open {
  readonly evaluations: Evaluation[];
  /** The resources of the batch by type and id, each as it was said. */
  readonly said: Map<string, string>;
}

/**
 * Splits evaluations into batches in which a type and an id always mean the same resource, properties and all.
 *
 * The Cerbos PDP 0.51 puts the entries of a batch together by the type and the id of their resources, and decides all
 * of them by the properties of the first: in one batch, the document `1` of tenant `globex` is allowed because the
 * document `1` of tenant `acme` is. AuthZEN knows no such rule, but a PDP that has one must not get the chance.
 *
 * @param size - the most evaluations in a batch
 */
export function batchesOf(evaluations: readonly Evaluation[], size: number): readonly (readonly Evaluation[])[] {
  const full: Open[] = [];
  let open: Open[] = [];
  for (const evaluation of evaluations) {
    const { type, id } = evaluation.resource;
    const key = JSON.stringify([type, id]);
    const said = JSON.stringify(evaluation.resource);
    let batch = open.find((candidate) => (candidate.said.get(key) ?? said) === said);
    if (batch === undefined) {
      batch = { evaluations: [], said: new Map() };
      open.push(batch);
    }
    batch.evaluations.push(evaluation);
    batch.said.set(key, said);
    if (batch.evaluations.length >= size) {
      full.push(batch);
      open = open.filter((candidate) => candidate !== batch);
    }
  }
  return [...full, ...open].map((batch) => batch.evaluations);
}
