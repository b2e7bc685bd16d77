import type { AttributeValue, PlanExpression } from '@portcullis/core';

/**
 * A plan's condition as an expression of the policy language. A whole number becomes an int: where a plan means a double,
 * in a sum, the expression errs, and is no more than the plan.
 */
export function planToCel(expression: PlanExpression): string {
  switch (expression.type) {
    case 'value':
      return literal(expression.value);
    case 'variable':
      return expression.name;
    case 'operation':
      return operation(expression.operator, expression.operands);
  }
}

function literal(value: AttributeValue): string {
  if (typeof value === 'number') return Number.isInteger(value) ? `(${String(BigInt(value))})` : `(${String(value)})`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: AttributeValue) => literal(item)).join(', ')}]`;
  const entries = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${literal(member)}`);
  return `{${entries.join(', ')}}`;
}

const binary: Readonly<Record<string, string>> = {
  ...{ and: '&&', or: '||', eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=', in: 'in' },
  ...{ add: '+', sub: '-', mult: '*', div: '/', mod: '%' },
};
const macros: ReadonlySet<string> = new Set(['exists', 'all', 'exists_one', 'filter', 'map']);
const methods: ReadonlySet<string> = new Set([
  ...['charAt', 'indexOf', 'lastIndexOf', 'join', 'split', 'replace', 'substring', 'trim', 'reverse', 'lowerAscii'],
  ...['upperAscii', 'startsWith', 'endsWith', 'contains', 'matches', 'format', 'timeSince', 'inIPAddrRange', 'first'],
  ...['last', 'distinct', 'flatten', 'slice', 'sort', 'ancestorOf', 'descendentOf', 'immediateParentOf', 'siblingOf'],
  ...[
    'immediateChildOf',
    'overlaps',
    'commonAncestors',
    'isMemberOf',
    'matchesID',
    'trustDomain',
    'path',
    'name',
    'id',
  ],
]);

function operation(operator: string, operands: readonly PlanExpression[]): string {
  if (operator === 'index' || operator === 'get-field' || operator === 'struct') return access(operator, operands);
  const [lambda] = operands.slice(1);
  if (macros.has(operator) && lambda?.type === 'operation') {
    const [body, name] = lambda.operands.map(planToCel);
    return `(${planToCel(operands[0]!)}).${operator}(${name ?? ''}, ${body ?? ''})`;
  }
  const parts = operands.map(planToCel);
  const word = binary[operator];
  if (word !== undefined) return `(${parts.join(` ${word} `)})`;
  switch (operator) {
    case 'not':
      return `!(${parts.join('')})`;
    case '-_':
      return `-(${parts.join('')})`;
    case 'if':
      return `(${parts[0] ?? ''} ? ${parts[1] ?? ''} : ${parts[2] ?? ''})`;
    case 'list':
      return `[${parts.join(', ')}]`;
    default:
      return isMethod(operator)
        ? `(${parts[0] ?? ''}).${operator}(${parts.slice(1).join(', ')})`
        : `${operator}(${parts.join(', ')})`;
  }
}

function isMethod(name: string): boolean {
  return methods.has(name) || name.startsWith('get');
}

function access(operator: string, operands: readonly PlanExpression[]): string {
  if (operator !== 'struct') {
    const [of = '', key = ''] = operands.map(planToCel);
    return operator === 'index' ? `(${of})[${key}]` : `(${of}).${key}`;
  }
  const fields = operands.map((field) => (field.type === 'operation' ? field.operands.map(planToCel).join(': ') : ''));
  return `{${fields.join(', ')}}`;
}
