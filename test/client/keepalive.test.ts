import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { http } from '../../src/transport/http.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { Raw } from '../support/raw.js';

const KEEPALIVE_MS = 120;

function options(more: ServiceOptions): ServiceOptions {
  return {
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpcClient({ keepaliveMs: KEEPALIVE_MS }),
    server: rpcServer({ keepaliveMs: KEEPALIVE_MS }),
    logger: () => new TestLogger(),
    env: {},
    ...more,
  };
}

let opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.reverse()) await close();
  opened = [];
});

/** A server that takes a stream, as an Octavo peer, and is never heard of again. */
async function frozenServer(): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      const id = /Micro-Stream: (\S+)/.exec(bytes.toString('latin1'))?.[1];
      socket.write(
        `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: application/protobuf\r\nOctavo: 1\r\nMicro-Stream: ${id}\r\n` +
          'Octavo-Frame: open\r\nOctavo-Keepalive: 30000\r\n\r\n',
      );
      opened.push(() => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => server.close());
  // A TCP server that listens has an address with a port.
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a stream', () => {
  it('is unavailable when its server is silent for the keepalive time', async () => {
    const address = await frozenServer();
    const service = createService(options({ transport: http() }));
    await service.start();
    opened.push(() => service.stop());
    const reading = async (): Promise<void> => {
      for await (const _ of service.resolve(ProbeClient).count({}, { address }));
    };
    await assert.rejects(reading(), (error) => {
      assert.ok(error instanceof OctavoError && error.code === 'unavailable');
      assert.match(error.message, new RegExp(`${address} was silent for ${KEEPALIVE_MS} ms`));
      return true;
    });
  });

  it('is cancelled when its caller is silent for the keepalive time', async () => {
    const service = createService(options({ transport: http(), services: [Probe] }));
    await service.start();
    opened.push(() => service.stop());
    const raw = await Raw.open(service.server.node?.address ?? '');
    opened.push(() => raw.close());
    const head =
      'Content-Type: application/json\r\nMicro-Service: probe\r\nMicro-Endpoint: Probe.Count\r\nMicro-Id: 1\r\nMicro-Stream: 1\r\nOctavo: 1\r\n';
    raw.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${head}Octavo-Keepalive: 30000\r\n\r\n`);
    const request = '{"text":"wait","count":1}';
    raw.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${request.length}\r\n${head}\r\n${request}`);
    assert.equal(await service.resolve(Probe).cancelled.next(), 'unavailable');
    assert.match(await raw.end(), /was silent for 120 ms/);
  });

  it('lives on without items while both ends do', async () => {
    const clock = new VirtualClock();
    const service = createService(
      options({ transport: memoryTransport(), services: [Probe], clock: () => clock }),
    );
    await service.start();
    opened.push(() => service.stop());
    const stream = service.client.stream({
      service: 'probe',
      endpoint: 'Probe.Chat',
      contentType: 'application/json',
    });
    await stream.send({ text: 'a' });
    assert.deepEqual(await stream.receive(), { text: 'a' });
    const next = stream.receive();
    await clock.advance(20 * KEEPALIVE_MS);
    await stream.send({ text: 'b' });
    assert.deepEqual(await next, { text: 'b' });
    await stream.close();
  });
});
