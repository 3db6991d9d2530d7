import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nats as natsBroker, NatsBroker } from '../../src/broker/nats.js';
import { natsJetStream } from '../../src/broker/nats-jetstream.js';
import { Broker } from '../../src/broker/broker.js';
import { Registry } from '../../src/registry/registry.js';
import { nats as natsRegistry, NatsRegistry } from '../../src/registry/nats.js';
import { NatsConnections } from '../../src/core/nats-connection.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { nats as natsTransport } from '../../src/transport/nats.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { failure } from '../support/nats-bench.js';
import { event, Inbox } from '../support/nats-brokers.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';

/** How many connections the server has. */
async function connections(server: NatsServer): Promise<number> {
  const answer = await fetch(`http://${server.monitor}/connz`);
  // The server says it so.
  return ((await answer.json()) as { num_connections: number }).num_connections;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function options(server: NatsServer, more: ServiceOptions = {}): ServiceOptions {
  const at = { addresses: [server.address] };
  return {
    transport: natsTransport(at),
    registry: natsRegistry(at),
    broker: natsBroker(at),
    logger: () => new TestLogger(),
    env: {},
    ...more,
  };
}

describe('an app with registry, transport and broker on one NATS server', () => {
  it('has one connection, which is closed once with the last', async () => {
    const server = await NatsServer.start({ monitored: true, jetStream: true });
    try {
      const probe = createService({ services: [Probe], ...options(server) });
      const caller = createService({
        name: 'caller',
        ...options(server, { broker: natsJetStream({ addresses: [server.address] }) }),
      });
      await probe.start();
      assert.equal(await connections(server), 1);
      await caller.start();
      assert.equal(await connections(server), 2);
      const inbox = new Inbox();
      await caller.resolve(Broker).subscribe('topic', inbox.handler);
      await caller.resolve(Broker).publish('topic', event('x'));
      await inbox.holds((texts) => texts.length === 1);
      const said = await caller.resolve(ProbeClient).echo({ text: 'hello' });
      assert.equal(said.text, 'hello');
      assert.equal(await connections(server), 2);
      for (let round = 0; round < 2; round++) {
        await server.kill();
        await server.restart();
        await until(async () => (await connections(server)) === 2);
      }
      await caller.stop();
      await until(async () => (await connections(server)) === 1);
      await probe.stop();
      await until(async () => (await connections(server)) === 0);
    } finally {
      await server.stop();
    }
  });

  it('has another one for whatever is told to connect otherwise', async () => {
    const server = await NatsServer.start({ monitored: true });
    try {
      const other = natsBroker({ addresses: [`nats://${server.address}`] });
      const service = createService({ services: [Probe], ...options(server, { broker: other }) });
      await service.start();
      assert.equal(await connections(server), 2);
      await service.stop();
      await until(async () => (await connections(server)) === 0);
    } finally {
      await server.stop();
    }
  });

  it('waits for it where somebody else had it and the server is away, and says so in the end', async () => {
    const server = await NatsServer.start();
    const shared = { ...parts(), connections: new NatsConnections() };
    const at = { addresses: [server.address], connectTimeoutMs: 1_000 };
    const [first, second] = [new NatsBroker(at, shared), new NatsRegistry(at, shared)];
    try {
      await first.start();
      await server.kill();
      await failure(() => first.publish('topic', event('x')));
      const error = await failure(() => second.start());
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /the nats registry has no NATS server at .* within 1000 ms/);
      const starting = second.start();
      await server.restart();
      await starting;
      assert.equal(shared.connections.size, 1);
    } finally {
      for (const each of [first, second]) await each.stop();
      await server.stop();
    }
    assert.equal(shared.connections.size, 0);
  });

  it('is chosen by variables alone', async () => {
    const server = await NatsServer.start({ monitored: true, jetStream: true });
    try {
      for (const broker of ['nats', 'nats-jetstream']) {
        const service = createService({
          services: [Probe],
          server: rpc(),
          logger: () => new TestLogger(),
          env: {
            MICRO_REGISTRY: 'nats',
            MICRO_REGISTRY_ADDRESS: server.address,
            MICRO_TRANSPORT: 'nats',
            MICRO_TRANSPORT_ADDRESS: server.address,
            MICRO_BROKER: broker,
            MICRO_BROKER_ADDRESS: server.address,
          },
        });
        await service.start();
        assert.equal(await connections(server), 1);
        assert.equal(service.resolve(Broker).name, broker);
        const found = await service.resolve(Registry).getService('probe');
        assert.equal(found[0]?.nodes[0]?.metadata['registry'], 'nats');
        assert.equal((await service.resolve(ProbeClient).echo({ text: 'hello' })).text, 'hello');
        await service.stop();
      }
    } finally {
      await server.stop();
    }
  });
});
