import { describe, expect, it } from 'vitest';
import { Circuit } from './circuit.js';

describe('a circuit', () => {
  function make(failures: number): { circuit: Circuit; at: { now: number }; admit: () => number } {
    const at = { now: 0 };
    const circuit = new Circuit({ failures, openMs: 100 }, () => at.now);
    const admit = (): number => {
      const admission = circuit.admits();
      if (admission === undefined) throw new Error('not admitted');
      return admission;
    };
    return { circuit, at, admit };
  }

  it('opens after failures in a row, lets one question through after a while, and closes on its success', () => {
    const { circuit, at, admit } = make(2);
    circuit.failed(admit());
    circuit.succeeded(admit());
    circuit.failed(admit());
    expect(circuit.state).toBe('closed');
    circuit.failed(admit());
    expect([circuit.admits(), circuit.state]).toEqual([undefined, 'open']);
    at.now = 100;
    const probe = admit();
    expect([circuit.admits(), circuit.state]).toEqual([undefined, 'half_open']);
    circuit.failed(probe);
    expect(circuit.admits()).toBeUndefined();
    at.now = 200;
    circuit.succeeded(admit());
    expect([admit(), circuit.state]).toEqual([expect.any(Number), 'closed']);
  });

  it('lets another question through when the one that was out is given up', () => {
    const { circuit, at, admit } = make(1);
    circuit.failed(admit());
    at.now = 100;
    circuit.abandoned(admit());
    expect(circuit.state).toBe('open');
    circuit.succeeded(admit());
    expect(circuit.state).toBe('closed');
  });

  it.each(['succeeded', 'failed', 'abandoned'] as const)(
    'does not take an old question that %s for the one that is out',
    (outcome) => {
      const { circuit, at, admit } = make(1);
      const old = [admit(), admit()];
      circuit.failed(admit());
      at.now = 90;
      circuit[outcome](old[0]!);
      expect(circuit.state).toBe('open');
      at.now = 100;
      const probe = admit();
      circuit[outcome](old[1]!);
      expect([circuit.state, circuit.admits()]).toEqual(['half_open', undefined]);
      circuit.succeeded(probe);
      expect(circuit.state).toBe('closed');
    },
  );
});
