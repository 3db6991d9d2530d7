import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { nats as natsBroker, NatsBroker } from '../../src/broker/nats.js';
import { NatsJetStreamBroker } from '../../src/broker/nats-jetstream.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { nats as natsRegistry, NatsRegistry } from '../../src/registry/nats.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { GoGreeter, GoGreeterClient } from '../support/go-greeter.js';
import { buildGo, GoProgram } from '../support/go-program.js';
import { event, Inbox } from '../support/nats-brokers.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';

/** A machine that is busy takes longer to answer than the 100 ms that both sides wait for by themselves. */
const timeoutMs = 1_000;
const path = buildGo('test/backends/peers/nats-go');

let server: NatsServer;
before(async () => {
  server = await NatsServer.start({ jetStream: true });
});
after(() => server.stop());

const NODE = { id: 'greeter-1', address: '127.0.0.1:4000', metadata: { protocol: 'mucp', city: 'Zürich' } };
const VALUE = {
  name: 'HelloRequest',
  type: 'HelloRequest',
  values: [{ name: 'name', type: 'string', values: [] }],
};
const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1.0.0',
  metadata: {},
  endpoints: [
    {
      name: 'Greeter.Hello',
      request: VALUE,
      response: { ...VALUE, values: [] },
      metadata: { stream: 'true' },
    },
  ],
  nodes: [NODE],
};

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function peer(): Promise<GoProgram> {
  return GoProgram.start(path ?? '', [server.address]);
}

/** What Go says of a service: it writes `null` for what is empty. */
interface GoService {
  readonly name: string;
  readonly version: string;
  readonly nodes: readonly { id: string; address: string; metadata: Record<string, string> | null }[] | null;
  readonly endpoints: readonly { name: string }[] | null;
}

describe('the nats registry beside that of go-micro', { skip: path === undefined }, () => {
  it('is found by Go, and finds what Go registers', async () => {
    await using go = await peer();
    const registry = new NatsRegistry({ addresses: [server.address], timeoutMs }, parts());
    await registry.start();
    try {
      await registry.register(GREETER, { ttlMs: 60_000 });
      const [found] = await go.ask<GoService[]>({ do: 'get', name: 'greeter' });
      assert.deepEqual(found?.nodes, [NODE]);
      assert.equal(found.endpoints?.[0]?.name, 'Greeter.Hello');
      const ours = { ...GREETER, name: 'gopher', nodes: [{ ...NODE, id: 'gopher-1' }] };
      await go.ask({ do: 'register', service: ours });
      // It does not wait until the server knows that it answers; what it asks next comes behind.
      await go.ask({ do: 'list' });
      assert.deepEqual(await registry.getService('gopher'), [ours]);
      assert.deepEqual(await registry.listServices(), ['gopher', 'greeter']);
      const listed = await go.ask<GoService[]>({ do: 'list' });
      assert.deepEqual(listed.map(({ name }) => name).sort(), ['gopher', 'greeter']);
      await go.ask({ do: 'deregister', service: ours });
      assert.deepEqual(await registry.getService('gopher'), []);
    } finally {
      await registry.stop();
    }
  });

  it('tells Go of changes, and is told of those of Go', async () => {
    await using go = await peer();
    const registry = new NatsRegistry({ addresses: [server.address], timeoutMs }, parts());
    await registry.start();
    try {
      await go.ask({ do: 'watch', name: 'greeter' });
      // It does not wait until the server knows of that; what it asks next comes behind.
      await go.ask({ do: 'list' });
      await registry.register(GREETER, { ttlMs: 60_000 });
      await registry.register({ ...GREETER, version: '2' }, { ttlMs: 60_000 });
      await registry.deregister(GREETER);
      const told: string[] = [];
      for (let n = 0; n < 4; n++) {
        const { action, service } = await go.next('change');
        const { version, nodes } = service as GoService;
        told.push(`${String(action)} ${version} ${nodes?.map(({ id }) => id).join()}`);
      }
      assert.deepEqual(told, [
        'create 1.0.0 greeter-1',
        'create 2 greeter-1',
        'delete 1.0.0 greeter-1',
        'delete 2 greeter-1',
      ]);
      const changes = registry.watch({ service: 'gopher' })[Symbol.asyncIterator]();
      await registry.getService('gopher');
      const ours = { ...GREETER, name: 'gopher', nodes: [{ ...NODE, id: 'gopher-1' }] };
      for (const command of ['register', 'register', 'deregister'])
        await go.ask({ do: command, service: ours });
      for (const action of ['create', 'delete'])
        assert.deepEqual(await changes.next(), { done: false, value: { action, service: ours } });
      await changes.return?.();
    } finally {
      await registry.stop();
    }
  });
});

describe(
  'a service with registry and broker on NATS beside one on go-micro',
  { skip: path === undefined },
  () => {
    function options(): ServiceOptions {
      const at = { addresses: [server.address] };
      return {
        registry: natsRegistry({ ...at, timeoutMs }),
        broker: natsBroker(at),
        client: rpcClient({ contentType: 'application/json' }),
        logger: () => new TestLogger(),
        env: {},
      };
    }

    it('calls it, and is called', async () => {
      await using go = await peer();
      const service = createService({ services: [GoGreeter], ...options() });
      await service.start();
      try {
        const reply = await go.ask<{ msg: string }>({
          do: 'call',
          name: 'greeter',
          endpoint: 'Greeter.Hello',
          body: 'Go',
        });
        assert.equal(reply.msg, 'Hello Go');
      } finally {
        await service.stop();
      }
      await go.ask({ do: 'serve', name: 'greeter' });
      const caller = createService({ name: 'caller', ...options() });
      await caller.start();
      try {
        assert.equal(
          (await caller.resolve(GoGreeterClient).hello({ name: 'Octavo' }, { waitForReady: true })).msg,
          'Hello Octavo',
        );
        await go.ask({ do: 'stop' });
      } finally {
        await caller.stop();
      }
    });
  },
);

describe('the nats broker beside that of go-micro', { skip: path === undefined }, () => {
  it('sends events to Go and gets those of Go, also by a queue', async () => {
    await using go = await peer();
    const broker = new NatsBroker({ addresses: [server.address] }, parts());
    await broker.start();
    try {
      const [inbox, shared] = [new Inbox(), new Inbox()];
      await broker.subscribe('to.octavo', inbox.handler);
      await go.ask({ do: 'subscribe', topic: 'to.go', queue: '' });
      await until(async () => {
        await broker.publish('to.go', event('a body é', { 'Foo-Bar': 'baz' }));
        const came = await Promise.race([
          go.next('message'),
          new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 50)),
        ]);
        if (came === undefined) return false;
        assert.equal(came['body'], 'a body é');
        const header = came['header'] as Record<string, string>;
        assert.deepEqual([header['Foo-Bar'], header['Micro-Topic']], ['baz', 'to.go']);
        return true;
      });
      await go.ask({
        do: 'publish',
        topic: 'to.octavo',
        header: { 'Foo-Bar': 'baz', 'Micro-ID': '7' },
        body: 'é',
      });
      assert.deepEqual(await inbox.holds((texts) => texts.length === 1), ['é']);
      const [delivery] = inbox.deliveries;
      assert.deepEqual(
        ['foo-bar', 'micro-id'].map((name) => delivery?.message.header.get(name)),
        ['baz', '7'],
      );
      await broker.subscribe('both', shared.handler, { queue: 'q' });
      await go.ask({ do: 'subscribe', topic: 'both', queue: 'q' });
      const byGo: string[] = [];
      void (async () => {
        for (;;) {
          const { topic, body } = await go.next('message');
          if (topic === 'both') byGo.push(String(body));
        }
      })();
      // Until Go has joined, all is ours.
      await until(async () => {
        await broker.publish('both', event('early'));
        return byGo.length > 0 && shared.texts.length > 0;
      });
      for (let n = 0; n < 100; n++) await broker.publish('both', event('late'));
      const late = (): number => [...byGo, ...shared.texts].filter((text) => text === 'late').length;
      await until(async () => late() >= 100);
      assert.equal(late(), 100);
    } finally {
      await broker.stop();
    }
  });

  it('has what Go publishes kept by JetStream, where the stream is told to', async () => {
    await using go = await peer();
    const broker = new NatsJetStreamBroker(
      { addresses: [server.address], stream: 'orders', prefix: '', subjects: ['orders.>'] },
      parts(),
    );
    await broker.start();
    try {
      const durable = { queue: 'q', durable: true };
      await (await broker.subscribe('orders.made', () => {}, durable)).unsubscribe();
      await go.ask({ do: 'publish', topic: 'orders.made', header: { 'Micro-ID': '1' }, body: 'kept' });
      const inbox = new Inbox();
      await broker.subscribe('orders.made', inbox.handler, durable);
      assert.deepEqual(await inbox.holds((texts) => texts.length === 1), ['kept']);
      await go.ask({ do: 'subscribe', topic: 'orders.sent', queue: '' });
      await until(async () => {
        await broker.publish('orders.sent', event('x'));
        const came = go.next('message').then(() => true);
        return Promise.race([came, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50))]);
      });
    } finally {
      await broker.stop();
    }
  });
});
