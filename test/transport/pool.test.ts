import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { ClientOptions } from '../../src/client/client.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

interface Subject {
  readonly client: ProbeClient;
  readonly probe: Probe;
}

async function having(options: ClientOptions, run: (subject: Subject) => Promise<void>): Promise<void> {
  const service = createService({
    services: [Probe],
    transport: http(),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpcClient({ retries: 0, ...options }),
    logger: () => new TestLogger(),
    env: {},
  });
  await service.start();
  try {
    await run({ client: service.resolve(ProbeClient), probe: service.resolve(Probe) });
  } finally {
    await service.stop();
  }
}

function unsent(code: string, like: RegExp): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.deepEqual([reason.code, reason.executed], [code, false], reason.message);
    assert.match(reason.message, like);
    return true;
  };
}

describe('a pool of connections', () => {
  it('has those who dial wait for one, in order', () =>
    having({ maxConnections: 1 }, async ({ client, probe }) => {
      const first = client.wait({});
      const release = await probe.waiting.next();
      const order: number[] = [];
      const others = [1, 2, 3].map((count) => client.echo({ count }).then(() => order.push(count)));
      assert.equal(probe.calls, 0);
      release();
      await Promise.all([first, ...others]);
      assert.deepEqual(order, [1, 2, 3]);
    }));

  it('lets a stream have the place of a call, and a call that of a stream', () =>
    having({ maxConnections: 1 }, async ({ client, probe }) => {
      const stream = client.count({ text: 'wait', count: 1 })[Symbol.asyncIterator]();
      await stream.next();
      const call = client.echo({ count: 7 });
      await stream.return?.();
      assert.equal((await call).count, 7);
      assert.equal(await probe.cancelled.next(), 'cancelled');
      assert.equal((await client.sum([])).count, 0);
    }));

  it('refuses more than may wait, at once and unsent', () =>
    having({ maxConnections: 1, maxQueue: 1 }, async ({ client, probe }) => {
      const first = client.wait({});
      const release = await probe.waiting.next();
      const second = client.echo({});
      await assert.rejects(client.echo({}), unsent('resource_exhausted', /maxQueue/));
      release();
      await Promise.all([first, second]);
    }));

  it('has nobody wait beyond the time for dialling, or after it was given up', () =>
    having({ maxConnections: 1, dialTimeoutMs: 40 }, async ({ client, probe }) => {
      const first = client.wait({});
      const release = await probe.waiting.next();
      await assert.rejects(client.echo({}), unsent('deadline_exceeded', /maxConnections.*40 ms/));
      const abort = new AbortController();
      const call = client.echo({}, { signal: abort.signal });
      abort.abort();
      await assert.rejects(call, /aborted/);
      release();
      await first;
      await client.echo({});
    }));

  it('gives the place of a connection that could not be opened to the next', () =>
    having({ maxConnections: 1 }, async ({ client }) => {
      const calls = [1, 2, 3].map(() => client.echo({}, { address: '127.0.0.1:1' }));
      for (const call of calls) await assert.rejects(call, unsent('unavailable', /nobody answers/));
    }));
});

describe('a client', () => {
  it('refuses more calls at once than it may have in flight', () =>
    having({ maxInFlight: 1 }, async ({ client, probe }) => {
      const first = client.wait({});
      const release = await probe.waiting.next();
      await assert.rejects(client.echo({}), unsent('resource_exhausted', /maxInFlight/));
      release();
      await first;
      await client.echo({});
    }));
});
