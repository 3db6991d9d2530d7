import { GreeterClient } from '../samples/greeter/contract.js';
import { GreeterServer } from '../samples/greeter/greeter.js';
import { memory as memoryBroker } from '../src/broker/memory.js';
import { createService } from '../src/index.js';
import { memory as memoryRegistry } from '../src/registry/memory.js';
import { tcp } from '../src/transport/tcp.js';
import { NAME, type Variant } from './variant.js';

const LOCAL = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  transport: tcp(),
  env: { MICRO_LOG_LEVEL: 'error' },
};

/** A decorated service and a typed client, over Octavo's own wire. */
export const octavoTcp: Variant = {
  name: 'tcp',
  about: 'Octavo over tcp, every other default but the registry',

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
