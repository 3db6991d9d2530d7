// One node of the sample, for a test that starts and ends it: `node.js MDNS_PORT [SERVER]`.
import { run } from '../../src/index.js';
import { mdns } from '../../src/registry/mdns.js';
import { memory } from '../../src/broker/memory.js';
import { GreeterServer } from '../../samples/greeter/greeter.js';

const [port, server = 'rpc'] = process.argv.slice(2);

await run(GreeterServer, {
  registry: mdns({ interfaces: ['127.0.0.1'], port: Number(port) }),
  broker: memory(),
  env: { ...process.env, MICRO_SERVER: server },
  afterStart: [() => void process.send?.({ ready: true })],
});
process.disconnect();
