// Medians of interleaved samples: the alternatives take turns, so that what else the machine does hits all alike.

/** Runs each alternative `rounds` times, in turns, and gives the sorted times of each in microseconds. */
export async function interleave(alternatives, { rounds = 600, warmup = 100 } = {}) {
  const names = Object.keys(alternatives);
  const times = Object.fromEntries(names.map((name) => [name, new Float64Array(rounds)]));
  for (let round = -warmup; round < rounds; round++) {
    // Which one comes first changes with every round.
    const offset = Math.abs(round) % names.length;
    for (const name of [...names.slice(offset), ...names.slice(0, offset)]) {
      const startedAt = performance.now();
      await alternatives[name]();
      if (round >= 0) times[name][round] = (performance.now() - startedAt) * 1000;
    }
  }
  for (const name of names) times[name].sort();
  return times;
}

export const median = (sorted) => sorted[Math.floor(sorted.length / 2)];
const p99 = (sorted) => sorted[Math.floor(sorted.length * 0.99)];

/** Sorted times of one piece of work in microseconds, done again and again, from blocks of ten. */
export async function inARow(work, { blocks = 1000, warmup = 300 } = {}) {
  const times = new Float64Array(blocks);
  for (let block = -warmup; block < blocks; block++) {
    const startedAt = performance.now();
    for (let turn = 0; turn < 10; turn++) await work();
    if (block >= 0) times[block] = (performance.now() - startedAt) * 100;
  }
  return times.sort();
}

/** Prints one line a measurement, and the ratio to the first. */
export function report(title, times) {
  const names = Object.keys(times);
  const base = median(times[names[0]]);
  console.log(`\n${title}`);
  for (const name of names) {
    const [middle, slow] = [median(times[name]), p99(times[name])];
    console.log(
      `  ${name.padEnd(58)} median ${middle.toFixed(1).padStart(9)} µs   p99 ${slow.toFixed(0).padStart(7)} µs   × ${(middle / base).toFixed(2)}`,
    );
  }
}
