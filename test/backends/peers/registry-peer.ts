// A process that registers a node and renews it until it is killed, or, with `stop`, watches, stops and ends:
// `registry-peer.js REGISTRY ADDRESS ID TTL_MS [stop]`.
import { setTimeout as wait } from 'node:timers/promises';
import { SystemClock } from '../../../src/core/system-clock.js';
import type { Registry } from '../../../src/registry/registry.js';
import { TestLogger } from '../../../src/testing/test-logger.js';

const [name = '', address = '', id = '', ttl = '', end = ''] = process.argv.slice(2);
const parts = { clock: new SystemClock(), logger: new TestLogger() };

async function registryOf(): Promise<Registry> {
  const addresses = [address];
  if (name === 'consul') {
    const { ConsulRegistry } = await import('../../../src/registry/consul.js');
    return new ConsulRegistry({ addresses }, parts);
  }
  if (name === 'etcd-v2') {
    const { EtcdV2Registry } = await import('../../../src/registry/etcd-v2.js');
    return new EtcdV2Registry({ addresses }, parts);
  }
  if (name === 'kubernetes') {
    const { KubernetesRegistry } = await import('../../../src/registry/kubernetes.js');
    return new KubernetesRegistry({ addresses }, parts);
  }
  if (name === 'zookeeper') {
    const { ZooKeeperRegistry } = await import('../../../src/registry/zookeeper.js');
    return new ZooKeeperRegistry({ addresses, sessionTimeoutMs: Number(ttl) }, parts);
  }
  const { EtcdRegistry } = await import('../../../src/registry/etcd.js');
  return new EtcdRegistry({ addresses }, parts);
}

const registry = await registryOf();
// A watch alone does not keep a process up.
const alive = setInterval(() => {}, 60_000);
await registry.start();
const changes = end === 'stop' ? registry.watch()[Symbol.asyncIterator]() : undefined;
for (let first = true; ; first = false) {
  await registry.register(
    {
      name: 'greeter',
      version: '1',
      metadata: {},
      endpoints: [],
      nodes: [{ id, address: '127.0.0.1:4000', metadata: {} }],
    },
    { ttlMs: Number(ttl) },
  );
  if (first) process.send?.({ registered: true });
  if (changes !== undefined) {
    await changes.next();
    await registry.stop();
    clearInterval(alive);
    process.send?.({ stopped: true });
    process.disconnect();
    break;
  }
  await wait(Number(ttl) / 3);
}
