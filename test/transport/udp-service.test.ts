import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { UdpTransport, udp } from '../../src/transport/udp.js';
import { KIND, readHead } from '../../src/transport/udp/datagram.js';
import { CallProbe, Probe, ProbeClient } from '../conformance/probe.js';
import { BadNetwork } from '../support/bad-network.js';
import { back, mixed, resources } from '../support/mixed-calls.js';
import { parts } from '../support/parts.js';
import { rpcSubject } from '../support/rpc-subject.js';

const STACK = { registry: memoryRegistry(), broker: memoryBroker(), logger: () => new TestLogger() };
const CALLS = 2_000;

describe('over the udp transport', () => {
  it('a service that streams fails at its start, with the endpoint and what to do', async () => {
    const service = createService({ ...STACK, services: [Probe], transport: udp(), env: {} });
    await assert.rejects(service.start(), (reason) => {
      assert.ok(reason instanceof OctavoError && reason.code === 'failed_precondition');
      assert.match(
        reason.message,
        /Probe\.\w+ is a stream, which the udp transport cannot carry: use another/,
      );
      return true;
    });
    await service.stop();
  });

  it('a client’s stream fails, with what to do', async () => {
    const subject = rpcSubject(udp(), 'application/json', {}, CallProbe);
    await subject.start?.();
    await assert.rejects(
      async () => {
        for await (const _ of new ProbeClient(subject.client).count({ count: 1 }));
      },
      (reason) => {
        assert.ok(reason instanceof OctavoError && reason.code === 'failed_precondition', String(reason));
        assert.match(reason.message, /the udp transport carries no streams.*such as http/);
        return true;
      },
    );
    await subject.stop?.();
  });

  it('MICRO_TRANSPORT chooses it', async () => {
    const service = createService({ ...STACK, services: [CallProbe], env: { MICRO_TRANSPORT: 'udp' } });
    await service.start();
    assert.equal(service.server.node?.metadata['transport'], 'udp');
    assert.match(service.server.node?.address ?? '', /^127\.0\.0\.1:\d+$/);
    assert.equal((await service.resolve(ProbeClient).echo({ text: 'x' })).text, 'x');
    await service.stop();
  });

  it('calls of idempotent endpoints are sent again, and no others', async () => {
    const subject = rpcSubject(udp({ retransmitMs: 5 }), 'application/json', {}, CallProbe);
    await subject.start?.();
    let calls = 0;
    const network = await BadNetwork.before(subject.address, (bytes) => {
      const kind = readHead(bytes)?.kind;
      if (kind !== KIND.call && kind !== KIND.idempotent) return 1;
      return calls++ === 0 ? 0 : 1;
    });
    const probe = new ProbeClient(subject.client);
    const options = { address: network.address, retries: 0 };
    assert.equal((await probe.again({}, options)).count, 1);
    assert.ok(calls >= 2);
    assert.equal(subject.probe.calls, 1);
    calls = 0;
    await assert.rejects(
      probe.once({}, { ...options, timeoutMs: 150 }),
      (reason) => reason instanceof OctavoError && reason.code === 'deadline_exceeded',
    );
    assert.deepEqual([calls, subject.probe.calls], [1, 1]);
    await network.close();
    await subject.stop?.();
  });

  it('a stream that is opened all the same gets one answer, and harms nobody', async () => {
    const subject = rpcSubject(udp(), 'application/json', {}, CallProbe);
    await subject.start?.();
    const transport = new UdpTransport({}, parts());
    for (const octavo of [{}, { Octavo: '1' }]) {
      const socket = await transport.dial(subject.address);
      const header = new Metadata({
        'Content-Type': 'application/json',
        'Micro-Service': 'probe',
        'Micro-Endpoint': 'Debug.Log',
        'Micro-Stream': '1',
        ...octavo,
      });
      await socket.send({ header, body: Buffer.from('{}') });
      assert.ok((await socket.receive()) !== undefined);
      assert.equal(await socket.receive(), undefined);
    }
    assert.equal((await new ProbeClient(subject.client).echo({ text: 'x' })).text, 'x');
    await transport.stop();
    await subject.stop?.();
  });

  it(`handles, timers and sockets are back after ${CALLS} calls that end in every way`, async () => {
    const before = resources();
    const subject = rpcSubject(udp(), 'application/json', {}, CallProbe);
    await subject.start?.();
    const probe = new ProbeClient(subject.client);
    let next = 0;
    const worker = async (): Promise<void> => {
      // Those that stream fail, which is one way to end.
      while (next < CALLS) await mixed(probe, next++).catch(streamless);
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    await subject.stop?.();
    assert.deepEqual(await back(before), before);
  });
});

function streamless(reason: unknown): void {
  assert.ok(reason instanceof OctavoError && reason.code === 'failed_precondition', String(reason));
}
