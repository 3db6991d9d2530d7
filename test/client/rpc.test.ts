import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientOf, Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { ConsoleLogger } from '../../src/core/console-logger.js';
import { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { MemoryWorld, memory as memoryRegistry } from '../../src/registry/memory.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import type { Provider } from '../../src/core/provider.js';
import type { Registry } from '../../src/registry/registry.js';
import { createService, type ServiceOptions } from '../../src/service/run.js';
import { MemoryNetwork, memory as memoryTransport } from '../../src/transport/memory.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';

@Message('calling.Text')
class Text {
  @Field(1, 'string') text = '';
  @Field(2, 'double') ms = 0;
}

/** Fails the first times it is called, as often as it is told to. */
@Service({ name: 'shaky' })
class Shaky {
  failures = 0;
  calls = 0;

  #run(): Text {
    this.calls++;
    if (this.calls <= this.failures)
      throw new OctavoError('unavailable', `not now, for the ${this.calls}. time`);
    return Object.assign(new Text(), { text: `call ${this.calls}` });
  }

  @Handler(Text, Text, { idempotent: true })
  async twice(): Promise<Text> {
    return this.#run();
  }

  @Handler(Text, Text)
  async once(): Promise<Text> {
    return this.#run();
  }
}

class ShakyClient extends ClientOf(Shaky) {}

/** Says what it knows of the call that it is in. */
@Service({ name: 'inner' })
class Inner {
  cancelled = '';

  @Handler(Text, Text)
  async look(_: Text, context: Context): Promise<Text> {
    const text = [...context.metadata].map(([name, value]) => `${name}=${value}`).join();
    return Object.assign(new Text(), { text, ms: context.remainingMs });
  }

  @Handler(Text, Text)
  async wait(_: Text, context: Context): Promise<Text> {
    return new Promise((__, reject) => {
      context.onCancel((reason) => {
        this.cancelled = reason.code;
        reject(reason);
      });
    });
  }
}

class InnerClient extends ClientOf(Inner) {}

@Service({ name: 'outer' })
class Outer {
  readonly #inner: InnerClient;
  constructor(inner: InnerClient) {
    this.#inner = inner;
  }

  @Handler(Text, Text)
  look(): Promise<Text> {
    return this.#inner.look({}, { timeoutMs: 60_000 });
  }

  @Handler(Text, Text)
  wait(): Promise<Text> {
    return this.#inner.wait({});
  }

  /** Calls after its reply is out. */
  @Handler(Text, Text)
  async detached(_: Text, context: Context): Promise<Text> {
    return context.detach().run(() => this.#inner.look({}, { timeoutMs: 60_000 }));
  }
}

class OuterClient extends ClientOf(Outer) {}

function stack(more: ServiceOptions = {}): ServiceOptions {
  const shared = { registry: memoryRegistry(), broker: memoryBroker(), transport: memoryTransport() };
  return { ...shared, logger: () => new ConsoleLogger({ write: () => {} }), env: {}, ...more };
}

async function withShaky(
  run: (shaky: Shaky, client: ShakyClient) => Promise<void>,
  more: ServiceOptions = {},
): Promise<void> {
  const service = createService({ ...stack(more), services: [Shaky] });
  await service.start();
  try {
    await run(service.resolve(Shaky), service.resolve(ShakyClient));
  } finally {
    await service.stop();
  }
}

const quickly = { retries: 3, backoff: () => 0 };

describe('a call that failed', () => {
  it('is tried again where the endpoint is idempotent and the error may pass', () =>
    withShaky(async (shaky, client) => {
      shaky.failures = 2;
      assert.equal((await client.twice({}, quickly)).text, 'call 3');
    }));

  it('is not tried again where the handler may have done it', () =>
    withShaky(async (shaky, client) => {
      shaky.failures = 2;
      await assert.rejects(client.once({}, quickly), /not now/);
      assert.equal(shaky.calls, 1);
    }));

  it('is tried no more often than it is told', () =>
    withShaky(async (shaky, client) => {
      shaky.failures = 9;
      await assert.rejects(client.twice({}, quickly), /for the 4\. time/);
      assert.equal(shaky.calls, 4);
    }));

  it('is tried again as its own rule says', () =>
    withShaky(async (shaky, client) => {
      shaky.failures = 1;
      const told: number[] = [];
      const retry = (error: OctavoError, attempt: number): boolean =>
        told.push(attempt) > 0 && error.code === 'unavailable';
      assert.equal((await client.once({}, { ...quickly, retry })).text, 'call 2');
      assert.deepEqual(told, [1]);
    }));

  it('has its call wrappers around each attempt, and its wrappers around all', async () => {
    const order: string[] = [];
    const named =
      (name: string): Wrapper =>
      (call, next) => {
        order.push(call.peer === undefined ? name : `${name} to ${call.peer.address.split(':')[0]}`);
        return next(call);
      };
    const client = rpc({ wrappers: [named('call')], callWrappers: [named('attempt')] });
    await withShaky(
      async (shaky, typed) => {
        shaky.failures = 1;
        await typed.twice({}, quickly);
      },
      { client },
    );
    assert.deepEqual(order, ['call', 'attempt to memory', 'attempt to memory']);
  });
});

describe('a call to a service that is not there yet', () => {
  it('waits for it where it is told to, and fails at its deadline where it does not come', async () => {
    const world = new MemoryWorld();
    const network = new MemoryNetwork();
    const shared = { registry: memoryRegistry({ world }), transport: memoryTransport({ network }) };
    const caller = createService({ ...stack(shared), name: 'caller' });
    await caller.start();
    const shaky = caller.resolve(ShakyClient);
    await assert.rejects(
      shaky.once({}, { waitForReady: true, timeoutMs: 50 }),
      (error) =>
        error instanceof OctavoError &&
        error.code === 'deadline_exceeded' &&
        /no node of "shaky"/.test(error.message),
    );
    const call = shaky.once({}, { waitForReady: true, timeoutMs: 10_000 });
    const service = createService({ ...stack(shared), services: [Shaky] });
    await service.start();
    assert.equal((await call).text, 'call 1');
    await caller.stop();
    await service.stop();
  });
});

describe('a call inside a handler', () => {
  async function withOuter(
    run: (outer: OuterClient, inner: Inner) => Promise<void>,
    forward: readonly string[] = [],
  ): Promise<void> {
    const world = new MemoryWorld();
    const network = new MemoryNetwork();
    const shared = {
      registry: memoryRegistry({ world }),
      transport: memoryTransport({ network }),
      client: rpc({ forward }),
    };
    const inner = createService({ ...stack(shared), services: [Inner] });
    const outer = createService({ ...stack(shared), services: [Outer] });
    await inner.start();
    await outer.start();
    try {
      await run(outer.resolve(OuterClient), inner.resolve(Inner));
    } finally {
      await outer.stop();
      await inner.stop();
    }
  }

  it('has no more time than the call around it', () =>
    withOuter(async (outer) => {
      const { ms } = await outer.look({}, { timeoutMs: 2_000 });
      assert.ok(ms > 0 && ms <= 2_000, String(ms));
    }));

  it('is cancelled with the call around it', () =>
    withOuter(async (outer, inner) => {
      const abort = new AbortController();
      const call = outer.wait({}, { signal: abort.signal });
      setImmediate(() => setImmediate(() => abort.abort()));
      await assert.rejects(call, (error) => error instanceof OctavoError && error.code === 'cancelled');
      for (let turn = 0; turn < 100 && inner.cancelled === ''; turn++)
        await new Promise((resolve) => setImmediate(resolve));
      assert.equal(inner.cancelled, 'cancelled');
    }));

  it('hands on no metadata, and of what is listed only that', async () => {
    const metadata = { Authorization: 'Bearer x', Tenant: 'a', Other: 'b' };
    await withOuter(async (outer) => assert.equal((await outer.look({}, { metadata })).text, ''));
    await withOuter(
      async (outer) => assert.equal((await outer.look({}, { metadata })).text, 'tenant=a'),
      ['tenant'],
    );
  });

  it('is a part of the trace around it', () =>
    withOuter(async (outer) => {
      const metadata = { traceparent: '00-1-2-01', tracestate: 'a=b' };
      assert.equal((await outer.look({}, { metadata })).text, 'traceparent=00-1-2-01,tracestate=a=b');
    }));

  it('has a time of its own where it is detached', () =>
    withOuter(async (outer) => {
      const { ms } = await outer.detached({}, { timeoutMs: 2_000 });
      assert.ok(ms > 2_000, String(ms));
    }));
});

describe('Debug.Stats', () => {
  it('lists the services that are called by an answer that may be out of date', async () => {
    const clock = new VirtualClock();
    const world = new MemoryWorld();
    let down = false;
    const registry: Provider<Registry> = (resolve) => {
      const inner = memoryRegistry({ world })(resolve);
      return new Proxy(inner, {
        get(target, name) {
          if (down && name === 'getService') return () => Promise.reject(new Error('down'));
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    };
    const service = createService({ ...stack({ registry, clock: () => clock }), services: [Shaky] });
    await service.start();
    const stats = async (): Promise<unknown> =>
      (
        (await service.client.call({
          service: 'shaky',
          endpoint: 'Debug.Stats',
          contentType: 'application/json',
          body: {},
        })) as Record<string, unknown>
      )['stale'];
    assert.equal(await stats(), undefined);
    down = true;
    await clock.advance(61_000);
    await service.resolve(ShakyClient).once({});
    assert.deepEqual(await stats(), ['shaky']);
    await service.stop();
  });
});

describe('Debug.Log', () => {
  it('gives the newest records of the log', async () => {
    const service = createService({ ...stack(), services: [Shaky] });
    await service.start();
    const stream = service.client.stream({
      service: 'shaky',
      endpoint: 'Debug.Log',
      kind: 'server',
      contentType: 'application/json',
      body: { count: 1 },
    });
    const lines: unknown[] = [];
    for await (const line of stream) lines.push(line);
    await service.stop();
    assert.equal(lines.length, 1);
    assert.match(JSON.stringify(lines[0]), /"message":"serving"/);
  });

  it('is asked by what is sent, where there is no body', async () => {
    const service = createService({ ...stack(), services: [Shaky] });
    await service.start();
    const asked = { service: 'shaky', endpoint: 'Debug.Log', contentType: 'application/json' };
    const stream = service.client.stream({ ...asked, kind: 'server' });
    await stream.send({ count: 1 });
    assert.match(JSON.stringify(await stream.receive()), /"message":"serving"/);
    assert.equal(await stream.receive(), undefined);
    await service.stop();
  });
});
