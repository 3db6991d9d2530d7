import { performance } from 'node:perf_hooks';
import type { Echo, EchoStream } from './variant.js';

/** What is asked of the client's end. */
export interface LoadOptions {
  readonly ms: number;
  /** Of each message, in bytes. */
  readonly size: number;
  /** Calls at once; of streams, how many are open. */
  readonly inFlight: number;
  readonly streams?: boolean;
}

export interface Load {
  /** Calls made, or items that came back. */
  readonly calls: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Text of so many bytes. */
export function textOf(size: number): string {
  return 'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(size / 45)).slice(0, size);
}

/** Makes calls for so long and says how it went. A call that fails, or a first one that is answered by something else, fails the run. */
export async function load(call: Echo, { ms, size, inFlight }: LoadOptions): Promise<Load> {
  const text = textOf(size);
  const first = await call(text);
  if (first !== text) throw new Error(`sent ${JSON.stringify(text)}, got ${JSON.stringify(first)}`);
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + ms;
  const worker = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await call(text);
      const then = performance.now();
      latencies.push(then - now);
      now = then;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const seconds = (performance.now() - begin) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0;
  return { calls: latencies.length, perSecond: latencies.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Sends items on several streams for so long, each as fast as it takes them, and counts those that come back. */
export async function loadStreams(open: EchoStream, { ms, size, inFlight }: LoadOptions): Promise<Load> {
  const text = textOf(size);
  const begin = performance.now();
  const end = begin + ms;
  let calls = 0;
  const worker = async (): Promise<void> => {
    for await (const back of open(until(end, text))) {
      if (back !== text) throw new Error(`sent ${JSON.stringify(text)}, got ${JSON.stringify(back)}`);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { calls, perSecond: (calls * 1_000) / (performance.now() - begin), p50Ms: 0, p99Ms: 0 };
}

/** The same text again and again. By hand, as an async generator would cost more than what is measured. */
function until(end: number, text: string): AsyncIterable<string> {
  const more: Promise<IteratorResult<string>> = Promise.resolve({ done: false, value: text });
  const over: Promise<IteratorResult<string>> = Promise.resolve({ done: true, value: undefined });
  let sent = 0;
  let late = false;
  const next = (): Promise<IteratorResult<string>> => {
    // The clock is read now and then: it costs as much as a message.
    if (sent++ % 64 === 0) late = performance.now() >= end;
    return late ? over : more;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
