import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { http as httpBroker } from '../../src/broker/http.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { ClientOptions } from '../../src/client/client.js';
import { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { cache } from '../../src/wrapper/cache.js';
import { retry } from '../../src/wrapper/retry.js';
import { timeout } from '../../src/wrapper/timeout.js';
import type { Call, Wrapper } from '../../src/wrapper/wrapper.js';
import { Ask, Probe } from '../conformance/probe.js';
import { has } from '../support/wrapping.js';

const BROKERS = { memory: memoryBroker, http: () => httpBroker({ address: '127.0.0.1:0' }) };

function probing(client: ClientOptions, broker: keyof typeof BROKERS = 'memory') {
  const service = createService({
    services: [Probe],
    registry: memoryRegistry(),
    broker: BROKERS[broker](),
    transport: http(),
    client: rpcClient(client),
    logger: () => new TestLogger(),
    env: {},
  });
  return {
    service,
    publish: (text: string, signal?: AbortSignal) =>
      service.client.publish(
        { topic: 'things', body: { text }, type: Ask },
        { metadata: { From: 'Ada' }, ...(signal && { signal }) },
      ),
    async [Symbol.asyncDispose]() {
      await service.stop();
    },
  };
}

for (const broker of ['memory', 'http'] as const)
  describe(`publishWrappers over the ${broker} broker`, () => {
    it('see each event, the first one outermost, and what they put beside it travels', async () => {
      const seen: Pick<Call, 'side' | 'kind' | 'service' | 'endpoint' | 'broker'>[] = [];
      const order: string[] = [];
      const outer: Wrapper = (call, next) => {
        const { side, kind, service, endpoint, broker: name } = call;
        seen.push({ side, kind, service, endpoint, ...(name !== undefined && { broker: name }) });
        order.push('outer');
        return next(call);
      };
      const inner: Wrapper = async (call, next) => {
        assert.deepEqual(call.request, { text: 'x' });
        call.metadata.set('From', `${call.metadata.get('From')} and Bob`);
        order.push('inner');
        const reply = await next(call);
        order.push('done');
        return reply;
      };
      await using probed = probing({ publishWrappers: [outer, inner] }, broker);
      await probed.service.start();
      await probed.publish('x');
      assert.deepEqual(order, ['outer', 'inner', 'done']);
      assert.deepEqual(seen, [{ side: 'client', kind: 'event', service: '', endpoint: 'things', broker }]);
      const { from } = await probed.service.resolve(Probe).events.next();
      assert.equal(from, 'Ada and Bob');
    });

    it('may refuse, and then nothing is published', async () => {
      const refuse: Wrapper = (call, next) =>
        (call.request as Ask).text === 'no'
          ? Promise.reject(new OctavoError('resource_exhausted', 'not now', { executed: false }))
          : next(call);
      await using probed = probing({ publishWrappers: [refuse] }, broker);
      await probed.service.start();
      await assert.rejects(probed.publish('no'), has('resource_exhausted'));
      await probed.publish('yes');
      assert.equal((await probed.service.resolve(Probe).events.next()).text, 'yes');
    });

    it('find in the metadata what goes on of the handler around the publish', async () => {
      let seen: string | undefined;
      const look: Wrapper = (call, next) => {
        seen = call.metadata.get('traceparent');
        return next(call);
      };
      await using probed = probing({ publishWrappers: [look] }, broker);
      await probed.service.start();
      await probed.service.subscribe('first', Ask, () => probed.publish('second'));
      const metadata = { traceparent: 'as it came' };
      await probed.service.client.publish({ topic: 'first', body: {}, type: Ask }, { metadata });
      await probed.service.resolve(Probe).events.next();
      assert.equal(seen, 'as it came');
    });
  });

describe('publishWrappers', () => {
  it('learn that the caller has given up, and so does the broker', async () => {
    const giving = new AbortController();
    let waits = (): void => {};
    const begun = new Promise<void>((resolve) => (waits = resolve));
    const hang: Wrapper = async (call, next) => {
      waits();
      await new Promise<void>((resolve) => call.context.onCancel(() => resolve()));
      return next(call);
    };
    await using probed = probing({ publishWrappers: [hang] });
    await probed.service.start();
    const published = probed.publish('x', giving.signal);
    await begun;
    giving.abort();
    await assert.rejects(published, has('cancelled'));
    await assert.rejects(probed.publish('x', AbortSignal.abort()), has('cancelled'));
  });

  it('may limit how long the broker takes', async () => {
    const hang: Wrapper = () => new Promise(() => {});
    await using probed = probing({ publishWrappers: [timeout({ timeoutMs: 5 }), hang] });
    await probed.service.start();
    await assert.rejects(probed.publish('x'), has('deadline_exceeded'));
  });

  it('refuse what is for calls alone', async () => {
    for (const wrapper of [retry(), cache()]) {
      await using probed = probing({ publishWrappers: [wrapper] });
      await assert.rejects(async () => probed.service.start(), has('failed_precondition'));
    }
  });

  it('do not stand around calls, nor have they a context of a handler', async () => {
    let calls = 0;
    const count: Wrapper = (call, next) => {
      calls++;
      assert.equal(Context.current(), undefined);
      return next(call);
    };
    await using probed = probing({ publishWrappers: [count] });
    await probed.service.start();
    const health = { service: 'probe', endpoint: 'Debug.Health', contentType: 'application/json', body: {} };
    await probed.service.client.call(health);
    assert.equal(calls, 0);
    await probed.publish('x');
    assert.equal(calls, 1);
  });
});
