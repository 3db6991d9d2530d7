import { NatsRegistry } from '../../../src/registry/nats.js';
import { parts } from '../../support/parts.js';

// Registers a node for a process that a test can kill: `[server, service, id, ttlMs]` are its arguments.

const [server = '', name = '', id = '', ttlMs = ''] = process.argv.slice(2);
const registry = new NatsRegistry({ addresses: [server] }, parts());
await registry.start();
const node = { id, address: '127.0.0.1:4000', metadata: {} };
await registry.register(
  { name, version: '1', metadata: {}, endpoints: [], nodes: [node] },
  { ttlMs: Number(ttlMs) },
);
process.send?.({ registered: id });
