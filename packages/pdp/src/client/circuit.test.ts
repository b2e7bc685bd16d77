import { describe, expect, it } from 'vitest';
import { Circuit } from './circuit.js';

describe('a circuit', () => {
  it('opens after failures in a row, lets one question through after a while, and closes on its success', () => {
    let now = 0;
    const circuit = new Circuit({ failures: 2, openMs: 100 }, () => now);
    circuit.failed();
    circuit.succeeded();
    circuit.failed();
    expect(circuit.admits()).toBe(true);
    circuit.failed();
    expect(circuit.admits()).toBe(false);
    now = 100;
    expect([circuit.admits(), circuit.admits()]).toEqual([true, false]);
    circuit.failed();
    expect(circuit.admits()).toBe(false);
    now = 200;
    expect(circuit.admits()).toBe(true);
    circuit.abandoned();
    expect(circuit.admits()).toBe(true);
    circuit.succeeded();
    expect([circuit.admits(), circuit.admits()]).toEqual([true, true]);
  });
});
