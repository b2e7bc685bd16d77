import { setTimeout as sleep } from 'node:timers/promises';

/** How long a step is waited for before the others go on: it may be waiting for a connection that they hold. */
const patienceMs = 20;

/** Lets units of work that run at the same time take their steps in an order of our choosing. */
export interface Gate {
  /** Waits until the unit may take its next step. */
  readonly pass: (unit: number) => Promise<void>;
  /** The unit takes no more steps. */
  readonly leave: (unit: number) => void;
  /** Lets each of these units take a step, all at once, and waits until they wait again. */
  readonly release: (units: readonly number[]) => Promise<void>;
  /** Lets everything pass from now on. */
  readonly open: () => void;
}

interface Turn {
  permits: number;
  left: boolean;
  waiting: (() => void) | undefined;
  idle: (() => void) | undefined;
}

export function createGate(count: number): Gate {
  const turns = Array.from({ length: count }, (): Turn => ({
    permits: 0,
    left: false,
    waiting: undefined,
    idle: undefined,
  }));
  let opened = false;
  const turn = (unit: number): Turn => {
    const found = turns[unit];
    if (found === undefined) throw new RangeError(`no unit ${String(unit)}`);
    return found;
  };
  const rest = (unit: Turn): void => {
    unit.idle?.();
    unit.idle = undefined;
  };
  return {
    pass: async (at) => {
      const unit = turn(at);
      if (opened) return;
      rest(unit);
      if (unit.permits > 0) unit.permits--;
      else await new Promise<void>((resolve) => (unit.waiting = resolve));
    },
    leave: (at) => {
      const unit = turn(at);
      unit.left = true;
      rest(unit);
    },
    release: async (units) => {
      const steps = units.map(turn).filter(({ left }) => !left);
      const rested = steps.map((unit) => new Promise<void>((resolve) => (unit.idle = resolve)));
      for (const unit of steps) grant(unit);
      await Promise.race([Promise.all(rested), sleep(patienceMs)]);
    },
    open: () => {
      opened = true;
      for (const unit of turns) unit.waiting?.();
    },
  };
}

function grant(unit: Turn): void {
  const { waiting } = unit;
  unit.waiting = undefined;
  if (waiting === undefined) unit.permits++;
  else waiting();
}
