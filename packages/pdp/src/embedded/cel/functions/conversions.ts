import { bytesOf, type Bytes } from '../bytes.js';
import { doubleText, parseDouble } from '../double.js';
import { parseDuration } from '../duration.js';
import { isInt } from '../arithmetic.js';
import { overload, type Overload } from '../overload.js';
import { parseTimestamp, timestampOf } from '../timestamp.js';
import { typeOf } from '../type-value.js';
import { Uint, uintOf } from '../uint.js';
import { failed, type CelResult } from '../cel-value.js';

const truths = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const falsehoods = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Conversions between types, as Go converts. */
export const conversions: readonly Overload[] = [
  overload('dyn', ['dyn'], 'dyn', (value) => value),
  overload('id', ['dyn'], 'dyn', (value) => value),
  overload('type', ['dyn'], 'type', typeOf),

  overload('bool', ['bool'], 'bool', (value) => value),
  overload('bool', ['string'], 'bool', (text) => truths.has(text) || (falsehoods.has(text) ? false : failed)),

  overload('int', ['int'], 'int', (value) => value),
  overload('int', ['uint'], 'int', ({ value }) => intOf(value)),
  // Not even the smallest int is taken from a double, which has it exactly.
  overload('int', ['double'], 'int', (value) => (Math.abs(value) < 2 ** 63 ? BigInt(Math.trunc(value)) : failed)),
  overload('int', ['string'], 'int', (text, work) => {
    work.spendText(text.length);
    return /^[+-]?\d+$/.test(text) ? intOf(integer(text)) : failed;
  }),
  overload('int', ['timestamp'], 'int', ({ nanos }) => floorOf(nanos)),
  overload('int', ['duration'], 'int', ({ nanos }) => nanos),

  overload('uint', ['uint'], 'uint', (value) => value),
  overload('uint', ['int'], 'uint', (value) => uintOf(value, failed)),
  overload('uint', ['double'], 'uint', (value) =>
    value >= 0 && value < 2 ** 64 ? new Uint(BigInt(Math.trunc(value))) : failed,
  ),
  overload('uint', ['string'], 'uint', (text, work) => {
    work.spendText(text.length);
    return /^\d+$/.test(text) ? uintOf(integer(text), failed) : failed;
  }),

  overload('double', ['double'], 'double', (value) => value),
  overload('double', ['int'], 'double', Number),
  overload('double', ['uint'], 'double', ({ value }) => Number(value)),
  overload('double', ['string'], 'double', (text, work) => {
    work.spendText(text.length);
    return parseDouble(text) ?? failed;
  }),

  overload('string', ['string'], 'string', (value) => value),
  overload('string', ['bool'], 'string', String),
  overload('string', ['int'], 'string', String),
  overload('string', ['uint'], 'string', ({ value }) => String(value)),
  overload('string', ['double'], 'string', doubleText),
  overload('string', ['bytes'], 'string', (bytes, work) => {
    work.spendText(bytes.bytes.length);
    return bytes.toText();
  }),
  overload('string', ['timestamp'], 'string', String),
  overload('string', ['duration'], 'string', String),

  overload('bytes', ['bytes'], 'bytes', (value) => value),
  overload('bytes', ['string'], 'bytes', (text, work): Bytes => {
    work.spendText(text.length);
    return bytesOf(text);
  }),

  overload('timestamp', ['timestamp'], 'timestamp', (value) => value),
  overload('timestamp', ['int'], 'timestamp', (seconds) => timestampOf(seconds * 1_000_000_000n)),
  overload('timestamp', ['string'], 'timestamp', (text, work) => {
    work.spendText(text.length);
    return parseTimestamp(text);
  }),

  overload('duration', ['duration'], 'duration', (value) => value),
  overload('duration', ['string'], 'duration', (text, work) => {
    // It has a part for each second character, at most.
    work.spend(text.length);
    return parseDuration(text);
  }),
  // Cerbos has the form, and it always fails.
  overload('duration', ['int'], 'duration', () => failed),
];

function intOf(value: bigint): CelResult {
  return isInt(value) ? value : failed;
}

/** More digits than 64 bits ever take are as many nines: to read all would take more time than there are digits. */
function integer(text: string): bigint {
  const digits = text.replace(/^[+-]?0*(?=\d)/, '');
  const size = BigInt(digits.length > 20 ? '9'.repeat(20) : digits);
  return text.startsWith('-') ? -size : size;
}

/** Whole seconds, downwards. */
function floorOf(nanos: bigint): bigint {
  const seconds = nanos / 1_000_000_000n;
  return nanos < 0n && seconds * 1_000_000_000n !== nanos ? seconds - 1n : seconds;
}
