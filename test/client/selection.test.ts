import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { Clock } from '../../src/core/clock.js';
import type { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry, type Node } from '../../src/registry/registry.js';
import { RegistrySelector, type RegistrySelectorParts } from '../../src/selector/registry-selector.js';
import { ShardSelector } from '../../src/selector/shard.js';
import { random } from '../../src/selector/strategy.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

/** Remembers what began, and how it ended. */
class Recording extends RegistrySelector {
  readonly name = 'recording';
  readonly beginnings: string[] = [];
  readonly ends: string[] = [];

  constructor(parts: RegistrySelectorParts) {
    super({ strategy: random() }, parts);
  }

  override mark(service: string, node: Node, error?: OctavoError): void {
    super.mark(service, node, error);
    this.ends.push(error?.code ?? 'ok');
  }

  protected override began(service: string, node: Node): void {
    super.began(service, node);
    this.beginnings.push(node.id);
  }
}

const STACK: ServiceOptions = {
  services: [Probe],
  transport: http(),
  registry: memoryRegistry(),
  broker: memoryBroker(),
  client: rpc({ retries: 2, backoff: () => 0 }),
  logger: () => new TestLogger(),
  env: {},
};

describe('a selector under the rpc client', () => {
  it('is told how each attempt ended, once, whatever became of it', async () => {
    let selector: Recording | undefined;
    await using service = createService({
      ...STACK,
      selector: (resolve) =>
        (selector = new Recording({ registry: resolve(Registry), clock: resolve(Clock) })),
    });
    await service.start();
    const probe = service.resolve(ProbeClient);
    const handler = service.resolve(Probe);
    const { beginnings, ends } = selector ?? assert.fail();
    const outcome = async (run: () => Promise<unknown>): Promise<string[]> => {
      beginnings.length = 0;
      ends.length = 0;
      await run().catch(() => {});
      while (ends.length < beginnings.length) await new Promise(setImmediate);
      assert.equal(ends.length, beginnings.length);
      return [...ends];
    };

    assert.deepEqual(await outcome(() => probe.echo({ text: 'a' })), ['ok']);
    assert.deepEqual(await outcome(() => probe.fail({ text: 'x' })), ['not_found']);
    handler.failures = handler.calls + 2;
    assert.deepEqual(await outcome(() => probe.again({})), ['unavailable', 'unavailable', 'ok']);
    assert.deepEqual(await outcome(() => probe.wait({}, { timeoutMs: 20 })), ['deadline_exceeded']);
    handler.waiting.clear();
    const leaving = new AbortController();
    assert.deepEqual(
      await outcome(async () => {
        const waiting = probe.wait({}, { signal: leaving.signal });
        (await handler.waiting.next())();
        const second = probe.wait({}, { signal: leaving.signal });
        await handler.waiting.next();
        leaving.abort();
        await Promise.allSettled([waiting, second]);
      }),
      ['ok', 'cancelled'],
    );
    assert.deepEqual(
      await outcome(async () => {
        for await (const _ of probe.count({ count: 2 })) break;
      }),
      ['ok'],
    );
    // Nobody listens there; the question whether there is another node is no attempt.
    await service.resolve(Registry).register({
      name: 'nobody',
      version: '1',
      metadata: {},
      endpoints: [],
      nodes: [{ id: 'nobody', address: '127.0.0.1:1', metadata: {} }],
    });
    const call = { service: 'nobody', endpoint: 'Probe.Echo', contentType: 'application/json', body: {} };
    const failed = await outcome(() => service.client.call(call, { retries: 0 }));
    assert.deepEqual(failed, ['unavailable']);
  });

  it('sees the metadata of the call: calls of one key go to one node', async () => {
    const chosen: string[] = [];
    class Seen extends ShardSelector {
      protected override began(service: string, node: Node): void {
        super.began(service, node);
        chosen.push(node.id);
      }
    }
    await using service = createService({
      ...STACK,
      selector: (resolve) =>
        new Seen({ key: 'user' }, { registry: resolve(Registry), clock: resolve(Clock) }),
    });
    await service.start();
    const address = service.server.node?.address ?? assert.fail();
    const nodes = Array.from({ length: 20 }, (_, at) => ({ id: `node-${at}`, address, metadata: {} }));
    const record = { name: 'probe', version: '1.0.0', metadata: {}, endpoints: [], nodes };
    await service.resolve(Registry).register(record);
    const probe = service.resolve(ProbeClient);
    const seen = new Set<string>();
    for (let user = 0; user < 20; user++) {
      chosen.length = 0;
      for (let n = 0; n < 5; n++) await probe.echo({ text: 'a' }, { metadata: { user: `${user}` } });
      assert.equal(new Set(chosen).size, 1);
      seen.add(chosen[0] ?? '');
    }
    assert.ok(seen.size > 5, [...seen].join());
  });
});
