// A child process of the benchmark: how long it takes from the import to the first answered call, and what the idle process has in memory then.
import { setTimeout as wait } from 'node:timers/promises';

const begin = performance.now();
const { createService } = await import('../src/index.js');
const { memory } = await import('../src/registry/memory.js');
const { EchoClient, EchoServer } = await import('./echo.js');
const service = createService({
  services: [EchoServer],
  registry: memory(),
  env: { MICRO_LOG_LEVEL: 'error' },
});
await service.start();
await service.resolve(EchoClient).echo({ text: 'first' });
const ms = performance.now() - begin;
// Being idle takes a while.
await wait(1_000);
process.send?.({ 'first-call': ms, 'idle-rss': process.memoryUsage.rss() / 2 ** 20 });
await service.stop();
process.disconnect();
