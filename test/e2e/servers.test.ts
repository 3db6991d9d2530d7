import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import type { Client } from '../../src/client/client.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import type { Provider } from '../../src/core/provider.js';
import { memory as memoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { grpc } from '../../src/server/grpc.js';
import { http } from '../../src/server/http.js';
import { rpc } from '../../src/server/rpc.js';
import type { Server } from '../../src/server/server.js';
import { createService } from '../../src/service/run.js';
import type { Service } from '../../src/service/service.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { tcp } from '../../src/transport/tcp.js';
import { Probe, ProbeClient, Things } from '../conformance/probe.js';

const CLIENTS = { rpc: rpcClient(), grpc: grpcClient(), http: httpClient() };

describe('a service with the servers rpc, grpc and http', () => {
  const world = new MemoryWorld();
  const opened: Service[] = [];
  let service: Service;

  const quiet = { broker: memoryBroker(), transport: tcp(), logger: () => new TestLogger(), env: {} };

  async function caller(client: Provider<Client>): Promise<Service> {
    const app = createService({ ...quiet, name: 'caller', client, registry: memoryRegistry({ world }) });
    opened.push(app);
    await app.start();
    return app;
  }

  async function serving(server: readonly Provider<Server>[]): Promise<Service> {
    const app = createService({ ...quiet, services: [Probe], server, registry: memoryRegistry({ world }) });
    opened.push(app);
    await app.start();
    return app;
  }

  before(async () => {
    service = await serving([rpc(), grpc(), http()]);
  });
  after(() => Promise.all(opened.map((each) => each.stop())));

  it('is three nodes, each with its protocol and an address of its own', async () => {
    const records = await service.resolve(Registry).getService('probe');
    const nodes = records.flatMap((record) => record.nodes);
    assert.deepEqual(
      new Set(nodes.map(({ metadata }) => metadata['protocol'])),
      new Set(['grpc', 'http', 'mucp']),
    );
    assert.equal(new Set(nodes.map(({ address }) => address)).size, 3);
    assert.equal(new Set(nodes.map(({ id }) => id)).size, 3);
  });

  for (const [name, client] of Object.entries(CLIENTS))
    it(`is called by ${name}, and by no other node than that`, async () => {
      const app = await caller(client);
      const probe = new ProbeClient(app.client);
      for (let count = 0; count < 9; count++) assert.equal((await probe.echo({ count })).count, count);
      const counts: number[] = [];
      for await (const { count } of probe.count({ count: 3 })) counts.push(count);
      assert.deepEqual(counts, [1, 2, 3]);
    });

  it('gets each event once', async () => {
    const probe = service.resolve(Probe);
    for (const text of ['one', 'two'])
      await service.client.publish({ topic: Things.name, type: Things.type, body: { text } });
    assert.deepEqual([(await probe.events.next()).text, (await probe.events.next()).text], ['one', 'two']);
  });

  it('is not there for a client once the server of its protocol has gone', async () => {
    await service.stop();
    const only = await serving([grpc()]);
    for (const [name, client] of Object.entries(CLIENTS)) {
      const call = new ProbeClient((await caller(client)).client).echo({ count: 1 }, { retries: 0 });
      if (name === 'grpc') assert.equal((await call).count, 1);
      else
        await assert.rejects(call, (reason) => {
          assert.ok(reason instanceof OctavoError);
          assert.equal(reason.code, 'unavailable');
          assert.match(reason.message, /no node of "probe" .* knows 1 \(grpc\), and the filters left none/);
          return true;
        });
    }
    await only.stop();
  });
});
