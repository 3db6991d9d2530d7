import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ClientOf,
  Handler,
  Injectable,
  PublisherOf,
  Service,
  Subscribe,
  Wrap,
} from '../../decorators/index.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import type { Client } from '../../src/client/client.js';
import { OctavoError } from '../../src/core/error.js';
import { topic } from '../../src/schema/topic.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { fakeClient } from '../../src/testing/fake-client.js';
import { TestApp } from '../../src/testing/test-app.js';
import { dedupe } from '../../src/wrapper/dedupe.js';
import { retry } from '../../src/wrapper/retry.js';
import { timeout } from '../../src/wrapper/timeout.js';
import { validate } from '../../src/wrapper/validate.js';
import type { Call, Next, Reply, Wrapper } from '../../src/wrapper/wrapper.js';
import { Ask, Signal, Told } from '../conformance/probe.js';
import { has } from '../support/wrapping.js';

const order: string[] = [];

/** Says when it is gone through, on the way in and on the way back. */
function named(name: string): Wrapper {
  return async (call, next) => {
    order.push(name);
    const reply = await next(call);
    order.push(`/${name}`);
    return reply;
  };
}

/** What is injected into wrappers that are classes. */
@Injectable()
class Ledger {
  readonly name = 'injected';
}

@Injectable()
class Noting {
  readonly #around: Wrapper;

  constructor(ledger: Ledger) {
    this.#around = named(ledger.name);
  }

  handle(call: Call, next: Next): Promise<Reply> {
    return this.#around(call, next);
  }
}

const Visits = topic('visits', Ask);

@Wrap(named('base class'))
class Basis {}

@Service({ name: 'layered' })
@Wrap(named('class 1'), named('class 2'))
@Wrap(named('class 3'))
class Layered extends Basis {
  readonly events = new Signal<void>();

  @Handler(Ask, Told)
  @Wrap(named('method 1'))
  @Wrap(named('method 2'))
  async visit(): Promise<Told> {
    order.push('handler');
    return new Told();
  }

  @Handler(Ask, Told, { stream: 'server' })
  @Wrap(named('method 1'))
  async *count(): AsyncIterable<Told> {
    yield new Told();
  }

  @Subscribe(Visits)
  @Wrap(named('method 1'))
  async onVisit(): Promise<void> {
    order.push('subscriber');
    this.events.fire();
  }
}

@Wrap(named('base client'))
class LayeredClient extends ClientOf(Layered) {}

@Wrap(named('client class 1'), Noting)
@Wrap(named('client class 2'))
class OwnClient extends LayeredClient {}

@Wrap(named('publisher class'), Noting)
class VisitsPublisher extends PublisherOf(Visits) {}

@Service({ name: 'caller' })
class Caller {
  constructor(private readonly layered: OwnClient) {}

  @Handler(Ask, Told)
  async go(): Promise<Told> {
    return this.layered.visit({}, { wrappers: [named('call 1'), named('call 2')] });
  }
}

class CallerClient extends ClientOf(Caller) {}

function app(services = [Layered]): Promise<TestApp> {
  return TestApp.create({
    services,
    client: rpcClient({
      wrappers: [named('client 1'), named('client 2')],
      callWrappers: [named('attempt 1'), named('attempt 2')],
      publishWrappers: [named('publish 1'), named('publish 2')],
    }),
    server: rpcServer({
      wrappers: [named('server 1'), named('server 2')],
      subscriberWrappers: [named('subscribers 1'), named('subscribers 2')],
    }),
  }).start();
}

/** Everything on the way, and then all of it back. */
function thereAndBack(names: readonly string[], middle: string): string[] {
  return [...names, middle, ...names.toReversed().map((name) => `/${name}`)];
}

const CLIENT = ['client 1', 'client 2'];
const CLASS = ['base client', 'client class 1', 'injected', 'client class 2'];
const ATTEMPT = ['attempt 1', 'attempt 2'];
const SERVER = ['server 1', 'server 2', 'base class', 'class 1', 'class 2', 'class 3'];

describe('the order of wrappers', () => {
  it('of a call: client, class, call, attempt; server, class, method; the first one outermost', async () => {
    await using running = await app();
    const client = running.client(OwnClient);
    order.length = 0;
    await client.visit({}, { wrappers: [named('call 1'), named('call 2')] });
    const all = [...CLIENT, ...CLASS, 'call 1', 'call 2', ...ATTEMPT, ...SERVER, 'method 1', 'method 2'];
    assert.deepEqual(order, thereAndBack(all, 'handler'));
  });

  it('of a stream is the same', async () => {
    await using running = await app();
    order.length = 0;
    for await (const item of running.client(OwnClient).count({})) assert.ok(item instanceof Told);
    const there = order.filter((name) => !name.startsWith('/'));
    assert.deepEqual(there, [...CLIENT, ...CLASS, ...ATTEMPT, ...SERVER, 'method 1']);
  });

  it('of an event: client, class, event; server, class, method', async () => {
    await using running = await app();
    order.length = 0;
    const publisher = running.resolve(VisitsPublisher);
    const done = running.resolve(Layered).events.next();
    await publisher.publish({}, { wrappers: [named('event 1'), named('event 2')] });
    await done;
    assert.deepEqual(
      order.filter((name) => !name.startsWith('/')),
      [
        ...['publish 1', 'publish 2', 'publisher class', 'injected', 'event 1', 'event 2'],
        ...['subscribers 1', 'subscribers 2', 'base class', 'class 1', 'class 2', 'class 3', 'method 1'],
        'subscriber',
      ],
    );
  });

  it('holds for a client that is injected into a handler', async () => {
    const running = await TestApp.create({ services: [Caller, Layered] }).start();
    order.length = 0;
    await running.client(CallerClient).go({});
    await running.stop();
    assert.deepEqual(order.slice(0, 6), [...CLASS, 'call 1', 'call 2']);
  });
});

describe('@Wrap on a class of clients', () => {
  it('has what its wrappers need opened and closed with the app, and what they count shown', async () => {
    const life: string[] = [];
    const needing: Wrapper = Object.assign(
      ((call, next) => {
        assert.deepEqual(life, ['start']);
        return next(call);
      }) satisfies Wrapper,
      { joins: () => ({ start: () => void life.push('start'), stop: () => void life.push('stop') }) },
    );
    @Wrap(needing)
    class Needs extends ClientOf(Layered) {}
    @Service({ name: 'needing' })
    class Needing {
      constructor(readonly layered: Needs) {}
    }
    const running = await TestApp.create({ services: [Needing, Layered] }).start();
    await running.resolve(Needing).layered.visit({});
    await running.stop();
    assert.deepEqual(life, ['start', 'stop']);
    await using late = await app();
    assert.throws(
      () => late.resolve(Needs),
      /Needs has a wrapper that needs something open, and is asked for when/,
    );
  });

  it('is of that class alone, and of those that extend it', async () => {
    class Plain extends ClientOf(Layered) {}
    await using running = await app();
    order.length = 0;
    await running.client(Plain).visit({});
    assert.deepEqual(order.slice(0, 3), ['client 1', 'client 2', 'attempt 1']);
    order.length = 0;
    await running.client(LayeredClient).visit({});
    assert.deepEqual(order.slice(0, 4), ['client 1', 'client 2', 'base client', 'attempt 1']);
  });

  it('is tried again as one, by the client’s one loop', async () => {
    @Wrap(retry({ retries: 2, backoff: () => 0, retry: () => true }), named('once'))
    class Stubborn extends ClientOf(Layered) {}
    let failures = 2;
    const shaky: Wrapper = async (call, next) => {
      order.push('attempt');
      if (failures-- > 0) throw new OctavoError('unavailable', 'not yet', { executed: false });
      return next(call);
    };
    await using running = await TestApp.create({
      services: [Layered],
      client: rpcClient({ callWrappers: [shaky], retries: 0 }),
    }).start();
    order.length = 0;
    await running.client(Stubborn).visit({});
    assert.deepEqual(
      order.filter((name) => name === 'once' || name === 'attempt'),
      ['once', 'attempt', 'attempt', 'attempt'],
    );
  });

  it('stands also around a client that is made by hand, but for what wants something injected', async () => {
    @Wrap(timeout({ timeoutMs: 50 }))
    class Quick extends ClientOf(Layered) {}
    const given: unknown[] = [];
    // It is asked for nothing else.
    const client = {
      name: 'fake',
      options: {},
      call: (_: unknown, options: unknown) => Promise.resolve(given.push(options)),
    } as unknown as Client;
    await new Quick(client).visit({}, { retries: 0 });
    assert.deepEqual(
      given.map((options) => Object.keys(options as object)),
      [['retries', 'wrappers']],
    );
    assert.throws(
      () => new OwnClient(client),
      has('failed_precondition', {
        message:
          'a client that is made by hand has nothing injected, which its wrapper Noting wants: have it injected, or ask resolve() of a service for it',
      }),
    );
  });

  it('says at the start where a wrapper does not fit, or has no meaning', async () => {
    @Wrap(dedupe())
    class Wrong extends ClientOf(Layered) {}
    @Service()
    class Wants {
      constructor(readonly client: Wrong) {}
    }
    await assert.rejects(
      TestApp.create({ services: [Wants] }).start(),
      /^OctavoError: Wrong: dedupe stands around subscribers/,
    );
    class Method extends ClientOf(Layered) {
      @Wrap(named('method'))
      more(): void {}
    }
    @Wrap(validate())
    class Publisher extends PublisherOf(Visits) {}
    await using running = await app();
    assert.throws(() => running.resolve(Method), /Method: @Wrap stands on "more"/);
    assert.throws(() => running.resolve(Publisher), /Publisher: validate holds replies to their rules/);
  });

  it('is not there in a fake', async () => {
    const fake = fakeClient(OwnClient, { visit: async () => new Told() });
    order.length = 0;
    await fake.visit({});
    assert.deepEqual(order, []);
  });
});
