// A child process of the guard: what a call over a transport takes that does not depend on the machine. `probe.js MODE TRANSPORT [CALLS]`.
import { createHook } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import { textOf } from './load.js';
import { octavos } from './octavo.js';
import { median } from './statistics.js';
import type { Echo } from './variant.js';

/** Compiled code allocates less than interpreted code: it must be compiled by then. */
const WARM_UP = 20_000;
const CALLS = 2_000;
const BATCHES = 7;
const TEXT = textOf(100);

const [mode, transport, calls] = process.argv.slice(2);
const variant = octavos.find(({ name }) => name === transport);
if (variant === undefined)
  throw new Error(`this is a part of \`npm run bench -- --check\`; there is no ${transport}`);
const sockets: Socket[] = [];
// What Node publishes there.
subscribe('net.client.socket', (message) => sockets.push((message as { socket: Socket }).socket));
const call = await variant.connect(await variant.serve());

if (mode === 'memory') process.send?.(await memory(call));
else if (mode === 'promises') process.send?.({ promises: await promises(call) });
else if (mode === 'wire') process.send?.({ wire: await wire(call) });
// The calls alone, for whoever looks from outside.
else if (mode === 'single') await times(Number(calls), call);
else await Promise.all(Array.from({ length: 64 }, () => times(Number(calls) / 64, call)));
process.exit(0);

/** Bytes on the heap, and of buffers beside it. What was collected meanwhile would not count: the flags of the process see that nothing is. */
async function memory(echo: Echo): Promise<object> {
  const heap: number[] = [];
  const buffers: number[] = [];
  await times(WARM_UP, echo);
  for (let batch = 0; batch < BATCHES; batch++) {
    globalThis.gc?.();
    const before = [getHeapStatistics().used_heap_size, process.memoryUsage().arrayBuffers] as const;
    await times(CALLS, echo);
    heap.push((getHeapStatistics().used_heap_size - before[0]) / CALLS);
    buffers.push((process.memoryUsage().arrayBuffers - before[1]) / CALLS);
  }
  return { heap: median(heap), buffers: median(buffers) };
}

async function promises(echo: Echo): Promise<number> {
  await times(CALLS, echo);
  let count = 0;
  const hook = createHook({ init: (_id, type) => void (type === 'PROMISE' && count++) }).enable();
  await times(CALLS, echo);
  hook.disable();
  return count / CALLS;
}

/** Bytes that clients sent and got. */
async function wire(echo: Echo): Promise<number> {
  const all = (): number =>
    sockets.reduce((sum, { bytesRead, bytesWritten }) => sum + bytesRead + bytesWritten, 0);
  await times(CALLS, echo);
  const before = all();
  await times(CALLS, echo);
  return (all() - before) / CALLS;
}

async function times(count: number, echo: Echo): Promise<void> {
  for (let at = 0; at < count; at++) await echo(TEXT);
}
