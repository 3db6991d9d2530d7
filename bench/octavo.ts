import { createService } from '../src/index.js';
import { MemoryNetwork, memory as memoryTransport } from '../src/transport/memory.js';
import { memory as memoryBroker } from '../src/broker/memory.js';
import { memory as memoryRegistry } from '../src/registry/memory.js';
import { GreeterClient } from '../samples/greeter/contract.js';
import { GreeterServer } from '../samples/greeter/greeter.js';
import { NAME, type Variant } from './variant.js';

const LOCAL = { registry: memoryRegistry(), broker: memoryBroker(), env: { MICRO_LOG_LEVEL: 'error' } };

/** A decorated service and a typed client, over go-micro's HTTP wire. */
export const octavoHttp: Variant = {
  name: 'http',
  about: 'Octavo over http, every default but the registry',

  async serve() {
    const service = createService({ ...LOCAL, services: [GreeterServer] });
    await service.start();
    return service.server.node?.address ?? '';
  },

  async connect(address) {
    const service = createService(LOCAL);
    await service.start();
    const greeter = service.resolve(GreeterClient);
    return () => greeter.hello({ name: NAME }, { address });
  },
};

const network = new MemoryNetwork();

/** The same in one process: what Octavo itself costs. */
export const octavoMemory: Variant = {
  name: 'memory',
  about: 'Octavo over memory, in one process',
  oneProcess: true,

  async serve() {
    const service = createService({
      ...LOCAL,
      transport: memoryTransport({ network }),
      services: [GreeterServer],
    });
    await service.start();
    return service.server.node?.address ?? '';
  },

  async connect(address) {
    const service = createService({ ...LOCAL, transport: memoryTransport({ network }) });
    await service.start();
    const greeter = service.resolve(GreeterClient);
    return () => greeter.hello({ name: NAME }, { address });
  },
};
