// One node of the sample, for a test that starts and ends it: `node.js MDNS_PORT`.
import { run } from '../../src/index.js';
import { mdns } from '../../src/registry/mdns.js';
import { memory } from '../../src/broker/memory.js';
import { GreeterServer } from '../../samples/greeter/greeter.js';

const [port] = process.argv.slice(2);

await run(GreeterServer, {
  registry: mdns({ interfaces: ['127.0.0.1'], port: Number(port) }),
  broker: memory(),
  afterStart: [() => void process.send?.({ ready: true })],
});
process.disconnect();
