import type { ConditionIn, ConditionTree, Parameters, Row } from '../compile/table.js';
import type { Question } from '../evaluate/question.js';
import { evaluate } from './evaluate.js';
import { allOf, anyOf, metBy, noneOf, type Formula } from './logic.js';
import { at } from './unplannable.js';
import { viewOf, type View } from './view.js';

/** When the conditions of policies are met, as far as it can be said without the row. Each is looked at once. */
export class Conditions {
  readonly #question: Question;
  readonly #views = new Map<Parameters, View>();
  readonly #formulas = new Map<ConditionIn, Formula>();

  constructor(question: Question) {
    this.#question = question;
  }

  /** @throws Unplannable */
  whenRow(row: Row): Formula {
    return at(row.source, () => {
      const { derivedRole } = row;
      if (derivedRole === undefined) return this.whenMet(row);
      return allOf([
        at(`the derived role \`${derivedRole.name}\``, () => this.whenMet(derivedRole)),
        this.whenMet(row),
      ]);
    });
  }

  /** @throws Unplannable */
  whenMet(of: ConditionIn): Formula {
    const { condition, parameters } = of;
    if (condition === undefined) return true;
    const found = this.#formulas.get(of);
    if (found !== undefined) return found;
    const formula = whenTrue(condition.tree, this.#viewOf(parameters));
    this.#formulas.set(of, formula);
    return formula;
  }

  #viewOf(parameters: Parameters): View {
    const found = this.#views.get(parameters);
    if (found !== undefined) return found;
    const view = viewOf(this.#question, parameters, evaluate);
    this.#views.set(parameters, view);
    return view;
  }
}

function whenTrue(tree: ConditionTree, view: View): Formula {
  switch (tree.op) {
    case 'expr':
      return at(`\`${tree.expression.text}\``, () => metBy(evaluate(tree.expression.ast, view)));
    case 'all':
      return allOf(tree.of.map((part) => whenTrue(part, view)));
    case 'any':
      return anyOf(tree.of.map((part) => whenTrue(part, view)));
    case 'none':
      return noneOf(tree.of.map((part) => whenTrue(part, view)));
  }
}
