// A child process of the benchmark: what it takes to choose one of 10,000 nodes, in microseconds of CPU time.
import { createService, isPromise, Registry, Selector } from '../src/index.js';
import { LOCAL } from './octavo.js';

const NODES = 10_000;
const TIMES = 200_000;

const service = createService(LOCAL);
await service.start();
await service.resolve(Registry).register({
  name: 'bench',
  version: '1.0.0',
  metadata: {},
  endpoints: [],
  nodes: Array.from({ length: NODES }, (_, at) => ({
    id: `bench-${at}`,
    address: `127.0.0.1:${at + 1}`,
    metadata: { octavo: '1', protocol: 'mucp', transport: 'http' },
  })),
});
const selector = service.resolve(Selector);

await choose(TIMES / 10);
const before = process.cpuUsage();
await choose(TIMES);
const { user, system } = process.cpuUsage(before);
process.send?.({ select: (user + system) / TIMES });
await service.stop();
process.disconnect();

async function choose(times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    const found = selector.select('bench');
    const next = isPromise(found) ? await found : found;
    selector.mark('bench', next());
  }
}
