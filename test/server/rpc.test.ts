import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Handler, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { advertised } from '../../src/core/advertise.js';
import { OctavoError } from '../../src/core/error.js';
import { MemoryRegistry, memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { RpcServer, rpc } from '../../src/server/rpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { http } from '../../src/transport/http.js';
import { Raw } from '../support/raw.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Ask, Probe, Told } from '../conformance/probe.js';
import { parts } from '../support/parts.js';

const STACK = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  logger: () => new TestLogger(),
  env: {},
  services: [Probe],
};

@Service({ name: 'both', package: 'near' })
class Near {
  @Handler(Ask, Told)
  async echo({ text }: Ask): Promise<Told> {
    return Object.assign(new Told(), { text });
  }
}

@Service({ name: 'both', package: 'far.v1' })
class Far {
  @Handler(Ask, Told)
  async echo({ text }: Ask): Promise<Told> {
    return Object.assign(new Told(), { text });
  }
}

describe('the rpc server', () => {
  it('shows its probes at an address of their own where it is told to', async () => {
    const service = createService({
      ...STACK,
      transport: memoryTransport(),
      server: rpc({ admin: { address: '127.0.0.1:0' } }),
    });
    await service.start();
    const { server } = service;
    assert.ok(server instanceof RpcServer);
    for (const [path, status] of [
      ['/health', 200],
      ['/ready?x', 200],
      ['/other', 404],
    ] as const) {
      const response = await fetch(`http://${server.adminAddress}${path}`);
      await response.text();
      assert.equal(response.status, status);
    }
    await service.stop();
    assert.equal(server.adminAddress, undefined);
  });

  it('goes on for a second where a caller came that does not understand a refusal, and is not ready meanwhile', async () => {
    const clock = new VirtualClock();
    const service = createService({ ...STACK, transport: http(), clock: () => clock });
    await service.start();
    const address = service.server.node?.address ?? '';
    const raw = await Raw.open(address);
    const head =
      'POST / HTTP/1.1\r\nContent-Type: application/json\r\nMicro-Service: probe\r\nMicro-Endpoint: Probe.Echo\r\n';
    const call = async (text: string): Promise<void> => {
      const body = JSON.stringify({ text });
      raw.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
      await raw.until((all) => all.includes(text));
    };
    await call('one');
    const stopped = service.stop();
    await clock.advance(900);
    await call('two');
    assert.equal((await fetch(`http://${address}/ready`)).status, 503);
    await clock.advance(200);
    await stopped;
    raw.close();
  });

  it('refuses a request whose time was over before it was whole, and its handler does not run', async () => {
    const clock = new VirtualClock();
    const service = createService({ ...STACK, transport: http(), clock: () => clock });
    await service.start();
    const raw = await Raw.open(service.server.node?.address ?? '');
    const body = '{"text":"late"}';
    const head =
      'POST / HTTP/1.1\r\nContent-Type: application/json\r\nMicro-Service: probe\r\nMicro-Endpoint: Probe.Echo\r\n' +
      `Octavo: 1\r\nTimeout: 1000000000\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`;
    raw.write(head);
    await raw.until((text) => text.includes('100 Continue'));
    await clock.advance(999);
    raw.write(body);
    await raw.until((text) => text.includes(body));
    raw.write(head);
    await raw.until((text) => text.split('100 Continue').length === 3);
    await clock.advance(1_001);
    raw.write(body);
    const answer = await raw.until((text) => /Micro-Error: .*\r\n\r\n$/s.test(text));
    assert.match(answer, /"detail":"the request came too late: it had 1000 ms, and was taken up 1001 ms/);
    assert.match(answer, /"grpc":"deadline_exceeded","executed":false/);
    assert.equal(service.resolve(Probe).calls, 1);
    raw.close();
    await service.stop();
  });

  it('registers what go-micro’s tools show: endpoints with their types, and subscribers by topic', async () => {
    const service = createService({ ...STACK, server: rpc({ id: 'one', metadata: { zone: 'a' } }) });
    await service.start();
    const [record] = await service.resolve(Registry).getService('probe');
    await service.stop();
    assert.equal(record?.nodes[0]?.id, 'probe-one');
    const { zone, protocol, server, transport, octavo } = record.nodes[0].metadata;
    assert.deepEqual([zone, protocol, server, transport, octavo], ['a', 'mucp', 'mucp', 'http', '1']);
    const names = record.endpoints.map(({ name }) => name);
    assert.ok(names.includes('Probe.Echo') && !names.some((name) => name.startsWith('Debug.')));
    const count = record.endpoints.find(({ name }) => name === 'Probe.Count');
    assert.equal(count?.metadata['stream'], 'true');
    assert.deepEqual(
      count.request?.values.map(({ name, type }) => `${name} ${type}`),
      ['text string', 'count int32'],
    );
    assert.deepEqual(record.endpoints.at(-1)?.metadata, { subscriber: 'true', topic: 'things' });
  });

  it('answers in the proto package of each of its classes, and in no other', async () => {
    const service = createService({ ...STACK, services: [Near, Far] });
    await service.start();
    const { address = '' } = service.server.node ?? {};
    for (const [path, status] of [
      ['near.Near/Echo', 200],
      ['far.v1.Far/Echo', 200],
      ['both.Near/Echo', 200],
      ['other.Near/Echo', 501],
    ] as const) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`http://${address}/${path}`, { method: 'POST', headers, body: '{}' });
      await response.text();
      assert.equal(response.status, status, path);
    }
    await service.stop();
  });

  it('may have its debug endpoints taken away', async () => {
    const service = createService({ ...STACK, server: rpc({ debug: false }) });
    await service.start();
    const call = service.client.call({
      service: 'probe',
      endpoint: 'Debug.Health',
      body: {},
      contentType: 'application/json',
    });
    await assert.rejects(call, (error) => error instanceof OctavoError && error.code === 'unimplemented');
    await service.stop();
  });
});

describe('what a server advertises', () => {
  const local = new MemoryRegistry({}, parts());
  const remote = Object.create(local, { local: { value: false }, name: { value: 'far' } }) as MemoryRegistry;

  it('is what it is told to, with the bound port where that has none', () => {
    assert.equal(advertised('127.0.0.1:80', { advertise: 'host' }, local), 'host:80');
    assert.equal(advertised('127.0.0.1:80', { advertise: 'host:90' }, local), 'host:90');
    assert.equal(advertised('[::1]:80', { advertise: '[::2]:90' }, local), '[::2]:90');
  });

  it('is never "every interface"', () => {
    assert.doesNotMatch(advertised('0.0.0.0:80', {}, local), /^0\.0\.0\.0/);
  });

  it('is no loopback address by mere default where others would dial themselves', () => {
    assert.throws(
      () => advertised('127.0.0.1:80', {}, remote),
      (error) => error instanceof OctavoError && /MICRO_SERVER_ADDRESS.*advertise/.test(error.message),
    );
    assert.equal(advertised('127.0.0.1:80', { address: '127.0.0.1:80' }, remote), '127.0.0.1:80');
    assert.equal(advertised('127.0.0.1:80', {}, local), '127.0.0.1:80');
  });

  it('is a bus’s name as it is', () => {
    assert.equal(advertised('_INBOX.x', {}, remote), '_INBOX.x');
  });
});
