import { describe, expect, it } from 'vitest';
import type { AttributeValue } from './attributes.js';
import type { PlanExpression } from './decision.js';
import { evaluatePlan } from './evaluate-plan.js';

const value = (of: AttributeValue): PlanExpression => ({ type: 'value', value: of });
const variable = (name: string): PlanExpression => ({ type: 'variable', name });
const op = (operator: string, ...operands: PlanExpression[]): PlanExpression => ({
  type: 'operation',
  operator,
  operands,
});
const id = variable('request.resource.id');
const attr = (name: string): PlanExpression => variable(`request.resource.attr.${name}`);
const resource = { id: 'a', attr: { tenant: 'acme', open: true, size: 3, tags: ['x', 'y'], nothing: null } };
const yes = op('eq', id, value('a'));
const no = op('eq', id, value('b'));
const unknown = op('startsWith', id, value('a'));

describe('a plan, evaluated for one resource', () => {
  it.each<readonly [string, PlanExpression, boolean | undefined]>([
    ['true', value(true), true],
    ['a value that is no boolean', value('true'), undefined],
    ['a boolean attribute', attr('open'), true],
    ['an attribute that is no boolean', attr('size'), undefined],
    ['an attribute that is not known', attr('other'), undefined],
    ['an attribute that every object has', attr('constructor'), undefined],
    ['equal', yes, true],
    ['not equal', no, false],
    ['ne', op('ne', id, value('b')), true],
    ['equal attributes', op('eq', attr('tenant'), value('acme')), true],
    ['eq across types', op('eq', attr('size'), value('3')), undefined],
    ['eq with null', op('eq', attr('nothing'), value(null)), undefined],
    ['eq with an unknown attribute', op('eq', attr('other'), value('x')), undefined],
    ['eq of one operand', op('eq', id), undefined],
    ['eq of three', op('eq', id, value('a'), value('b')), undefined],
    ['eq with an operation inside', op('eq', op('lower', id), value('a')), undefined],
    ['in a list', op('in', id, value(['a', 'b'])), true],
    ['in another list', op('in', id, value(['b'])), false],
    ['in an empty list', op('in', id, value([])), false],
    ['in a list of mixed types', op('in', id, value(['b', 1])), undefined],
    ['in what is no list', op('in', id, value('abc')), undefined],
    ['in a list attribute', op('in', value('x'), attr('tags')), true],
    ['something unknown in a list', op('in', attr('other'), value(['a'])), undefined],
    ['and', op('and', yes, yes), true],
    ['and with a no', op('and', yes, no, unknown), false],
    ['and with an unknown', op('and', yes, unknown), undefined],
    ['or', op('or', no, yes), true],
    ['or with an unknown and a yes', op('or', unknown, yes), true],
    ['or with an unknown and a no', op('or', unknown, no), undefined],
    ['or of nos', op('or', no, no), false],
    ['not', op('not', no), true],
    ['not of an unknown', op('not', unknown), undefined],
    ['not of nothing', op('not'), undefined],
    ['an operator it does not know', unknown, undefined],
  ])('%s', (_name, condition, expected) => {
    expect(evaluatePlan(condition, resource)).toBe(expected);
  });
});
