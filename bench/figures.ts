import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Progress } from './progress.js';
import { SLOW_MS, slowReader } from './slow-reader.js';

/** A measure that is no load of calls. */
export interface FigureSource {
  /** What it is asked for by. */
  readonly name: string;
  /** The figures that it gives. */
  readonly gives: readonly string[];
  /** One run. */
  run(): Promise<Readonly<Record<string, number>>>;
  /** Whether it takes so long, and so little of the machine, that it is run once and beside others. */
  readonly long?: boolean;
}

export const figureSources: readonly FigureSource[] = [
  told('select', ['select']),
  told('first-call', ['first-call', 'idle-rss']),
  { ...slowReader('http'), long: true },
  { ...slowReader('tcp'), long: true },
];

/** Measured by a process of its own, which tells what it found. */
function told(name: string, gives: readonly string[]): FigureSource {
  return {
    name,
    gives,
    async run() {
      const child = fork(fileURLToPath(new URL(`${name}.js`, import.meta.url)));
      const ended = once(child, 'exit');
      const [found] = await Promise.race([
        once(child, 'message'),
        ended.then(([code]) => {
          throw new Error(`${name} ended with ${code}`);
        }),
      ]);
      await ended;
      // The child is of this benchmark.
      return found as Record<string, number>;
    },
  };
}

/** Runs them, most one after the other. */
export async function figuresOf(
  sources: readonly FigureSource[],
  rounds: number,
  progress: Progress,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const figures = new Map<string, number[]>();
  const keep = (found: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(found))
      figures.set(name, [...(figures.get(name) ?? []), value]);
  };
  for (const source of sources.filter(({ long }) => long !== true))
    for (let run = 1; run <= rounds; run++) {
      progress.at(source.name, `run ${run} of ${rounds}`);
      keep(await source.run());
    }
  const long = sources.filter((source) => source.long === true);
  if (long.length > 0) progress.at('slow readers', `${SLOW_MS / 1_000} s`);
  for (const found of await Promise.all(long.map((source) => source.run()))) keep(found);
  return figures;
}
