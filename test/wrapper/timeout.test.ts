import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import type { Provider } from '../../src/core/provider.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import { http } from '../../src/transport/http.js';
import { memory } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import type { Socket, Transport } from '../../src/transport/transport.js';
import { timeout } from '../../src/wrapper/timeout.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { Signal } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping, type WrappingOptions } from '../support/wrapping.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

describe('timeout', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: timeout({ timeoutMs: 60_000 }),
  }));

  it('ends a call of a client, and the handler with it', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    const call = assert.rejects(app.client.wait({}), has('deadline_exceeded'));
    const release = await app.probe.waiting.next();
    await app.clock.advance(50);
    await call;
    assert.match(await app.probe.cancelled.next(), /deadline_exceeded|cancelled/);
    release();
  });

  it('travels: the handler knows the shorter deadline', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    assert.equal((await app.client.context({})).count, 50);
  });

  it('of a handler is what the handler and the calls inside keep to', async () => {
    await using app = await Wrapping.start({ server: { wrappers: [timeout({ timeoutMs: 70 })] } });
    assert.equal((await app.client.context({})).count, 70);
  });

  it('leaves a deadline that is sooner, and no timer behind', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 5_000 })] } });
    const before = app.clock.pending;
    assert.equal((await app.client.context({}, { timeoutMs: 40 })).count, 40);
    assert.equal((await app.client.context({}, { timeoutMs: 6_000 })).count, 5_000);
    assert.equal(app.clock.pending, before);
  });

  it('has many calls share a timer, and ends each in time', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 1_000 })] } });
    const before = app.clock.pending;
    const calls = [1, 2, 3, 4].map(() => assert.rejects(app.client.wait({}), has('deadline_exceeded')));
    const releases = await Promise.all(calls.map(() => app.probe.waiting.next()));
    // The client's own deadlines, the server's and the wrapper's: one timer each.
    assert.ok(app.clock.pending - before <= 3, `${app.clock.pending - before}`);
    await app.clock.advance(1_010);
    await Promise.all(calls);
    for (const release of releases) release();
  });

  it('holds for a whole stream', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    const seen: number[] = [];
    const reading = assert.rejects(async () => {
      for await (const { count } of app.client.count({ text: 'wait', count: 2 })) seen.push(count);
    }, has('deadline_exceeded'));
    await app.clock.advance(49);
    assert.deepEqual(seen, [1, 2]);
    await app.clock.advance(1);
    await reading;
  });

  it('gives up a delivery of an event, whose handler goes on', async () => {
    const clock = new VirtualClock();
    const call = aCall(clock, { kind: 'event' });
    const event = assert.rejects(
      timeout({ timeoutMs: 10 })(call, () => new Promise(() => {})),
      has('deadline_exceeded'),
    );
    await clock.advance(10);
    await event;
  });
});

/** Has a handler's first calls hang until they are cancelled, and says what they are cancelled for. */
class Hanging {
  left: number;
  readonly cancelled: string[] = [];
  readonly begun = new Signal<void>();

  constructor(left: number) {
    this.left = left;
  }

  readonly wrapper: Wrapper = async (call, next) => {
    if (this.left-- <= 0) return next(call);
    this.begun.fire();
    await new Promise<void>((_, reject) =>
      call.context.onCancel((reason) => {
        this.cancelled.push(reason.code);
        reject(reason);
      }),
    );
    return next(call);
  };
}

describe('timeout around each attempt', () => {
  const client = { callWrappers: [timeout({ timeoutMs: 50 })], retries: 2, backoff: () => 0 };

  const wires: Readonly<Record<string, Omit<WrappingOptions, 'client' | 'server'>>> = {
    'rpc in memory': {},
    'rpc over http': { transport: () => http() },
    'rpc over tcp': { transport: () => tcp() },
    grpc: { wire: { client: grpcClient, server: grpcServer } },
    http: { wire: { client: httpClient, server: httpServer } },
  };
  for (const [name, wire] of Object.entries(wires))
    it(`gives up the attempt and not the call, and tells the other end, by ${name}`, async () => {
      const hanging = new Hanging(2);
      await using app = await Wrapping.start({ ...wire, client, server: { wrappers: [hanging.wrapper] } });
      const call = app.client.again({});
      for (let attempt = 1; attempt <= 2; attempt++) {
        await hanging.begun.next();
        await app.clock.advance(50);
      }
      assert.equal((await call).text, 'done');
      while (hanging.cancelled.length < 2) await new Promise(setImmediate);
      assert.deepEqual(hanging.cancelled, ['cancelled', 'cancelled']);
      assert.equal(app.probe.calls, 1);
    });

  it('is the end of a call that must not be done twice', async () => {
    const hanging = new Hanging(1);
    await using app = await Wrapping.start({ client, server: { wrappers: [hanging.wrapper] } });
    const call = assert.rejects(
      app.client.once({}),
      (error) =>
        has('deadline_exceeded')(error) && /attempt 1 at .* took longer than 50 ms/.test(String(error)),
    );
    await hanging.begun.next();
    await app.clock.advance(50);
    await call;
    assert.equal(app.probe.calls, 0);
  });

  it('leaves the deadline of the whole call as it is, which comes first where it is sooner', async () => {
    const hanging = new Hanging(9);
    await using app = await Wrapping.start({ client, server: { wrappers: [hanging.wrapper] } });
    const call = assert.rejects(app.client.again({}, { timeoutMs: 70 }), has('deadline_exceeded'));
    await hanging.begun.next();
    await app.clock.advance(50);
    await hanging.begun.next();
    await app.clock.advance(20);
    await call;
    assert.equal(hanging.left, 7);
  });

  it('is for the opening of a stream, and not for its items', async () => {
    await using app = await Wrapping.start({ client });
    const before = app.clock.pending;
    const counts: number[] = [];
    const leaving = new AbortController();
    const reading = (async () => {
      const options = { signal: leaving.signal };
      for await (const { count } of app.client.count({ text: 'wait', count: 2 }, options)) counts.push(count);
    })();
    await app.clock.advance(1_000);
    assert.deepEqual(counts, [1, 2]);
    assert.ok(app.clock.pending > before);
    leaving.abort();
    await assert.rejects(reading, has('cancelled'));
  });

  it('gives up an attempt that has no connection yet', async () => {
    let dials = 0;
    let closed = false;
    let answer = (): void => {};
    const slow: Provider<Transport> = (resolve) => {
      const transport = memory()(resolve);
      const dial = transport.dial.bind(transport);
      const first = (...args: Parameters<typeof dial>): Promise<Socket> =>
        new Promise((connected) => {
          answer = () => {
            // The transport in memory dials at once.
            const late = dial(...args) as Socket;
            late.onClose(() => (closed = true));
            connected(late);
          };
        });
      return Object.assign(transport, {
        dial: (...args: Parameters<typeof dial>) => (++dials === 1 ? first(...args) : dial(...args)),
      });
    };
    await using app = await Wrapping.start({ client, transport: () => slow });
    const call = app.client.again({});
    while (dials === 0) await new Promise(setImmediate);
    await app.clock.advance(50);
    assert.equal((await call).text, 'done');
    // What comes too late is let go of.
    answer();
    await app.clock.advance(0);
    assert.ok(closed);
    assert.equal(app.probe.calls, 1);
  });
});
