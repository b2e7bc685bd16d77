import type { AttributeValue, Attributes } from './attributes.js';
import type { PlanExpression } from './decision.js';

/** What is known of a resource. */
export interface KnownResource {
  readonly id: string;
  readonly attr: Attributes;
}

/**
 * Evaluates a query plan's condition for one resource, as far as that can be said for certain.
 *
 * It knows the operators that compare and combine; for any other, for an attribute that is not known, and for
 * comparisons between types it gives `undefined`: ask the engine.
 *
 * @example
 * ```text
 * in(request.resource.id, ["a", "b"]) for { id: "a" } → true
 * ```
 */
export function evaluatePlan(condition: PlanExpression, resource: KnownResource): boolean | undefined {
  if (condition.type === 'value') return typeof condition.value === 'boolean' ? condition.value : undefined;
  if (condition.type === 'variable') {
    const value = valueOf(condition, resource);
    return typeof value === 'boolean' ? value : undefined;
  }
  const { operator, operands } = condition;
  switch (operator) {
    case 'and':
      return all(operands.map((operand) => evaluatePlan(operand, resource)));
    case 'or':
      return not(all(operands.map((operand) => not(evaluatePlan(operand, resource)))));
    case 'not':
      return operands[0] === undefined ? undefined : not(evaluatePlan(operands[0], resource));
    case 'eq':
      return compare(operands, resource, (one, other) => one === other);
    case 'ne':
      return compare(operands, resource, (one, other) => one !== other);
    case 'in':
      return contains(operands, resource);
    default:
      return undefined;
  }
}

type Scalar = string | number | boolean;

function isScalar(value: AttributeValue | undefined): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function valueOf(operand: PlanExpression | undefined, { id, attr }: KnownResource): AttributeValue | undefined {
  if (operand === undefined || operand.type === 'operation') return undefined;
  if (operand.type === 'value') return operand.value;
  if (operand.name === 'request.resource.id' || operand.name === 'R.id') return id;
  const name = /^(?:request\.resource|R)\.attr\.(\w+)$/.exec(operand.name)?.[1];
  return name !== undefined && Object.hasOwn(attr, name) ? attr[name] : undefined;
}

function compare(
  operands: readonly PlanExpression[],
  resource: KnownResource,
  by: (one: Scalar, other: Scalar) => boolean,
): boolean | undefined {
  const [one, other] = operands.map((operand) => valueOf(operand, resource));
  return isScalar(one) && isScalar(other) && typeof one === typeof other && operands.length === 2
    ? by(one, other)
    : undefined;
}

function contains([needle, list]: readonly PlanExpression[], resource: KnownResource): boolean | undefined {
  const wanted = valueOf(needle, resource);
  const members = valueOf(list, resource);
  if (!isScalar(wanted) || !Array.isArray(members)) return undefined;
  const scalars = members as readonly AttributeValue[];
  return scalars.every((member) => typeof member === typeof wanted) ? scalars.includes(wanted) : undefined;
}

function all(values: readonly (boolean | undefined)[]): boolean | undefined {
  if (values.includes(false)) return false;
  return values.includes(undefined) ? undefined : true;
}

function not(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}
