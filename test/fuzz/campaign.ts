import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Target } from './target.js';

/** Inputs between two looks at the clock. */
const BATCH = 500;
/** Bytes that a target may hold more of at its end than after its first inputs: caches that fill, and the engine's own. */
const MOST_GROWTH = 8 * 1024 * 1024;

export interface Bounds {
  /** Where the inputs come from: the same seed, the same inputs. */
  readonly seed: number;
  readonly inputs: number;
  readonly ms: number;
}

/** How one target did. */
export interface Report {
  readonly name: string;
  readonly inputs: number;
  readonly read: number;
  readonly ms: number;
  readonly slowestMs: number;
  /** Bytes that were held at the end and not after the first inputs. */
  readonly growth: number;
  readonly failure: string | undefined;
}

/** Tries one target until there were enough inputs, the time is up, or something was found. */
export async function tryOut(
  target: Target,
  { seed, inputs, ms }: Bounds,
  onProgress?: (so: Report) => void,
): Promise<Report> {
  const begin = performance.now();
  let report: Report = {
    name: target.name,
    inputs: 0,
    read: 0,
    ms: 0,
    slowestMs: 0,
    growth: 0,
    failure: undefined,
  };
  let held: number | undefined;
  for (let batch = seed; report.inputs < inputs && report.ms < ms; batch++) {
    const tried = target.run(batch, Math.min(BATCH, inputs - report.inputs));
    report = {
      ...report,
      inputs: report.inputs + tried.inputs,
      read: report.read + tried.read,
      ms: performance.now() - begin,
      slowestMs: Math.max(report.slowestMs, tried.slowestMs),
      failure: tried.failure,
    };
    if (report.failure !== undefined) return report;
    held ??= await heldBytes();
    onProgress?.(report);
  }
  const growth = (await heldBytes()) - (held ?? 0);
  const failure =
    growth > MOST_GROWTH
      ? `${target.name}: ${growth} bytes are held after ${report.inputs} inputs`
      : undefined;
  return { ...report, growth, failure };
}

/** Bytes that are still held when the collector has been. */
async function heldBytes(): Promise<number> {
  // What the engine frees later: the state of zlib, for one.
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const collect = ((): (() => void) => {
  setFlagsFromString('--expose-gc');
  // A context made from now on has the function.
  return runInNewContext('gc') as () => void;
})();
