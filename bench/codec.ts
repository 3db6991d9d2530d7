// What encoding, decoding and validating cost by themselves: no network, no call. Prints time and memory for each operation.
// usage: npm run build && node dist/bench/codec.js [NAME ...]
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { schemaOf } from '../src/index.js';
import { subjects } from './codec-subjects.js';

/** How long each figure is taken, and how often; the least is shown, as everything that disturbs a loop makes it slower. */
const MS = 60;
const ROUNDS = 7;
/** What is allocated before the collector comes: less than the young generation holds. */
const COUNTED_BYTES = 2_000_000;

setFlagsFromString('--expose-gc');
// A context made from now on has the function.
const collect = runInNewContext('gc') as () => void;
const wanted = process.argv.slice(2);

console.log('operation'.padEnd(36) + 'ns'.padStart(9) + 'bytes'.padStart(12));
for (const { name, type, message } of subjects) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { encode, decode, validate } = schemaOf<object>(type);
  const bytes = encode(message);
  const decoded = decode(bytes);
  row(`encode   ${name} (${bytes.length} bytes)`, () => encode(message));
  row(`decode   ${name}`, () => decode(bytes));
  row(`validate ${name}`, () => validate(decoded));
}

function row(name: string, work: () => unknown): void {
  const ns = least(work);
  console.log(name.padEnd(36) + ns.toFixed(0).padStart(9) + bytesOf(work).toFixed(0).padStart(12));
}

function least(work: () => unknown): number {
  let times = 1;
  while (timed(work, times) < MS) times *= 2;
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) best = Math.min(best, timed(work, times) / times);
  return best * 1e6;
}

function timed(work: () => unknown, times: number): number {
  const begin = performance.now();
  for (let n = 0; n < times; n++) work();
  return performance.now() - begin;
}

/** Bytes that one operation allocates, on the heap and beside it. */
function bytesOf(work: () => unknown): number {
  const guess = allocated(work, 10);
  const times = Math.ceil(Math.min(20_000, COUNTED_BYTES / Math.max(1, guess)));
  return Math.max(allocated(work, times), allocated(work, times));
}

function allocated(work: () => unknown, times: number): number {
  collect();
  const before = process.memoryUsage();
  for (let n = 0; n < times; n++) work();
  const after = process.memoryUsage();
  return (after.heapUsed - before.heapUsed + (after.arrayBuffers - before.arrayBuffers)) / times;
}
