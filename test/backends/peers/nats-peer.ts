import { memory as memoryBroker } from '../../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { rpc } from '../../../src/server/rpc.js';
import { createService } from '../../../src/service/run.js';
import { Probe } from '../../conformance/probe.js';

// A service in a process of its own, which a test can kill and freeze: its transport is chosen by variables, its address is the first argument.

const [address = 'probe'] = process.argv.slice(2);
const service = createService({
  services: [Probe],
  registry: memoryRegistry(),
  broker: memoryBroker(),
  server: rpc({ address }),
});
await service.start();
console.log('serving');
process.once('SIGTERM', () => void service.stop());
