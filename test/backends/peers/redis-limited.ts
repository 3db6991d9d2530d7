import { memory as memoryBroker } from '../../../src/broker/memory.js';
import { rpc as rpcClient } from '../../../src/client/rpc.js';
import { OctavoError } from '../../../src/core/error.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { rpc as rpcServer } from '../../../src/server/rpc.js';
import { createService } from '../../../src/service/run.js';
import { memory as memoryTransport } from '../../../src/transport/memory.js';
import { ratelimit } from '../../../src/wrapper/ratelimit.js';
import { redisStore } from '../../../src/wrapper/redis-store.js';
import { Probe, ProbeClient } from '../../conformance/probe.js';

// A service in a process of its own whose limit is in Redis: `[server, perSecond, burst]` are its arguments. It is called without a pause
// from the first message to the second one, and says how many calls got through, how many were refused, and when the first and last went.

const [server = '', perSecond = '', burst = ''] = process.argv.slice(2);
const store = redisStore({ addresses: [server], timeoutMs: 2_000 });
const service = createService({
  services: [Probe],
  registry: memoryRegistry(),
  broker: memoryBroker(),
  transport: memoryTransport(),
  server: rpcServer({
    wrappers: [
      ratelimit({ perSecond: Number(perSecond), burst: Number(burst), by: 'all', store, whenDown: 'closed' }),
    ],
  }),
  client: rpcClient({ retries: 0 }),
  env: { MICRO_LOG_LEVEL: 'error' },
});
await service.start();
const client = service.resolve(ProbeClient);
let going = false;
process.on('message', () => {
  going = !going;
  if (going) void calls();
});
process.send?.({ ready: true });

async function calls(): Promise<void> {
  let through = 0;
  let refused = 0;
  const begun = Date.now();
  while (going)
    try {
      await client.echo({});
      through++;
    } catch (reason) {
      if (OctavoError.from(reason).code !== 'resource_exhausted') throw reason;
      refused++;
    }
  process.send?.({ counted: { through, refused, begun, ended: Date.now() } });
  await service.stop();
  process.disconnect();
}
