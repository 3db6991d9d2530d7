// What encoding, decoding and validating cost by themselves: no network, no call. Prints processor time and memory for each.
// usage: npm run build && node dist/bench/codec.js [NAME ...]
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { schemaOf } from '../src/index.js';
import { shapeOf } from '../src/schema/resolve.js';
import { decoderOf } from '../src/schema/wire-decode.js';
import { encoderOf } from '../src/schema/wire-encode.js';
import { subjects } from './codec-subjects.js';

/** How long each figure is taken, and how often; the least is shown, as everything that disturbs a loop makes it slower. */
const MS = 30;
const ROUNDS = 15;
/** What is allocated before the collector comes: less than the young generation holds. */
const COUNTED_BYTES = 2_000_000;

setFlagsFromString('--expose-gc');
// A context made from now on has the function.
const collect = runInNewContext('gc') as () => void;
const wanted = process.argv.slice(2);

console.log(
  'operation'.padEnd(32) +
    ['ns', 'bytes', 'closures ns', 'bytes', 'ratio'].map((head) => head.padStart(12)).join(''),
);
for (const { name, type, message } of subjects) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const { encode, decode, validate } = schemaOf<object>(type);
  const bytes = encode(message);
  const decoded = decode(bytes);
  const encoder = encoderOf(shapeOf(type));
  const decoder = decoderOf(shapeOf(type));
  row(`encode   ${name} (${bytes.length} bytes)`, [() => encode(message), () => encoder.encode(message)]);
  row(`decode   ${name}`, [() => decode(bytes), () => decoder.decode(bytes)]);
  row(`validate ${name}`, [() => validate(decoded)]);
}

/** One line: what the package does, and next to it, where there is one, the way without generated code. */
function row(name: string, ways: readonly (() => unknown)[]): void {
  const ns = least(ways);
  const figures = ways.flatMap((work, at) => [(ns[at] ?? 0).toFixed(0), bytesOf(work).toFixed(0)]);
  const [ours = 0, other] = ns;
  if (other !== undefined) figures.push((ours / other).toFixed(2));
  console.log(name.padEnd(32) + figures.map((figure) => figure.padStart(12)).join(''));
}

/** Nanoseconds for each operation, measured in turns. */
function least(ways: readonly (() => unknown)[]): number[] {
  const times = ways.map((work) => {
    let enough = 1;
    while (timed(work, enough) < MS) enough *= 2;
    return enough;
  });
  const best = ways.map(() => Infinity);
  for (let round = 0; round < ROUNDS; round++)
    for (const [at, work] of ways.entries())
      best[at] = Math.min(best[at] ?? 0, timed(work, times[at] ?? 1) / (times[at] ?? 1));
  return best.map((ms) => ms * 1e6);
}

function timed(work: () => unknown, times: number): number {
  const begin = process.cpuUsage();
  for (let n = 0; n < times; n++) work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1_000;
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
