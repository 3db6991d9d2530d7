import { performance } from 'node:perf_hooks';

export interface Load {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const IN_FLIGHT = 64;

/** Makes calls for so long, 64 in flight, and says how it went. A failing call fails the run. */
export async function load(call: () => Promise<unknown>, ms: number): Promise<Load> {
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + ms;
  const worker = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await call();
      const then = performance.now();
      latencies.push(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  const seconds = (performance.now() - begin) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { calls: latencies.length, perSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}
