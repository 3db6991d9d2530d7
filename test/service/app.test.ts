import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { ClientOf, Handler, Injectable, Message, Field, Service, Wrap } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { OctavoError } from '../../src/core/error.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { rpc } from '../../src/server/rpc.js';
import { createService, run } from '../../src/service/run.js';
import type { Service as ServiceContract } from '../../src/service/service.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { TestApp } from '../../src/testing/test-app.js';
import type { Call, Next, Reply, WrapperObject } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { serviceSuite } from '../conformance/service.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { wrapped } from '../support/wrapped.js';

@Message('app.Text')
class Text {
  @Field(1, 'string') text = '';
}

@Injectable()
class Counter {
  count = 0;
}

@Injectable()
class Counting implements WrapperObject {
  readonly #counter: Counter;
  constructor(counter: Counter) {
    this.#counter = counter;
  }
  handle(call: Call, next: Next): Promise<Reply> {
    this.#counter.count++;
    return next(call);
  }
}

@Service({ name: 'first' })
@Wrap(Counting)
class First {
  readonly #counter: Counter;
  constructor(counter: Counter) {
    this.#counter = counter;
  }
  @Handler(Text, Text)
  async count(): Promise<Text> {
    return { text: String(this.#counter.count) };
  }
}

class FirstClient extends ClientOf(First) {}

@Service({ name: 'second' })
class Second {
  readonly #counter: Counter;
  readonly #first: FirstClient;
  constructor(counter: Counter, first: FirstClient) {
    this.#counter = counter;
    this.#first = first;
  }
  @Handler(Text, Text)
  async ask(): Promise<Text> {
    const { text } = await this.#first.count({});
    return { text: `${text} there, ${this.#counter.count} here` };
  }
}

class SecondClient extends ClientOf(Second) {}

@Service({ name: 'first' })
class FirstToo {
  @Handler(Text, Text)
  async more(): Promise<Text> {
    return { text: 'more' };
  }
}

class FirstTooClient extends ClientOf(FirstToo) {}

@Service({ name: 'engine' })
class Engine {
  runs = 0;
  @Handler(Text, Text)
  async start(): Promise<Text> {
    return { text: `${++this.runs} runs` };
  }
}

class EngineClient extends ClientOf(Engine) {}

@Service({ name: 'driver' })
class Driver {
  readonly #engine: EngineClient;
  constructor(engine: EngineClient) {
    this.#engine = engine;
  }
  @Handler(Text, Text)
  async drive(): Promise<Text> {
    return this.#engine.start({});
  }
}

class DriverClient extends ClientOf(Driver) {}

@Service({ name: 'opening' })
class Opening implements Lifecycle {
  open = false;
  start(): void {
    this.open = true;
  }
  @Handler(Text, Text)
  async get(): Promise<Text> {
    return { text: '' };
  }
}

class OpeningClient extends ClientOf(Opening) {}

@Service({ name: 'visiting' })
class Visiting {
  readonly opening: OpeningClient;
  constructor(opening: OpeningClient) {
    this.opening = opening;
  }
}

abstract class Missing {}

@Injectable()
class Needy implements WrapperObject {
  readonly missing: Missing;
  constructor(missing: Missing) {
    this.missing = missing;
  }
  handle(call: Call, next: Next): Promise<Reply> {
    return next(call);
  }
}

@Service({ name: 'wrapped' })
class Wrapped {
  @Handler(Text, Text)
  @Wrap(Needy)
  async get(): Promise<Text> {
    return { text: '' };
  }
}

function stack(): Parameters<typeof createService>[0] & object {
  return {
    registry: memoryRegistry(),
    broker: memoryBroker(),
    transport: memoryTransport(),
    logger: () => new TestLogger(),
    env: {},
  };
}

describe('an app of services', () => {
  conform(test, serviceSuite, () => createService({ ...stack(), services: [Probe] }));

  conform(test, serviceSuite, () => wrapped(createService({ ...stack(), services: [Probe] })));

  it('lets services call each other, and shares nothing of the user’s between them', async () => {
    const app = await TestApp.create({ services: [First, Second] }).start();
    await app.service('first').resolve(FirstClient).count({});
    assert.equal((await app.service('second').resolve(SecondClient).ask({})).text, '2 there, 0 here');
    await app.stop();
  });

  it('makes one service of classes with one name and version', async () => {
    const app = await TestApp.create({ services: [First, FirstToo] }).start();
    assert.equal((await app.client(FirstTooClient).more({})).text, 'more');
    assert.equal((await app.client(FirstClient).count({})).text, '1');
    assert.equal((await app.resolve(Registry).getService('first'))[0]?.nodes.length, 1);
    await app.stop();
  });

  it('refuses to make one service of classes that are several', () => {
    assert.throws(() => createService({ services: [First, Second] }), /first latest, second latest/);
  });

  it('refuses an implementation that lacks a method of its contract', async () => {
    class Half {}
    Service(First)(Half as unknown as typeof First);
    await assert.rejects(
      TestApp.create({ services: [Half] }).start(),
      (reason) => reason instanceof OctavoError && /Half has no method "count"/.test(reason.message),
    );
  });

  it('runs its hooks in order, and the stop hooks also when one throws', async () => {
    const order: string[] = [];
    const hook = (name: string) => (): void => void order.push(name);
    const service: ServiceContract = createService({
      ...stack(),
      services: [FirstToo],
      beforeStart: [hook('before start')],
      afterStart: [hook('after start')],
      beforeStop: [hook('before stop'), () => Promise.reject(new Error('no'))],
      afterStop: [hook('after stop')],
    });
    await service.start();
    await service.stop();
    assert.deepEqual(order, ['before start', 'after start', 'before stop', 'after stop']);
  });

  it('stops the servers of a service side by side', async () => {
    const service = createService({ ...stack(), services: [Probe], server: [rpc(), rpc()] });
    await service.start();
    const registry = service.resolve(Registry);
    const [record] = await registry.getService('probe');
    const last = record?.nodes[1]?.address;
    assert.ok(last !== undefined);
    const call = service.resolve(ProbeClient).wait({}, { address: last });
    const release = await service.resolve(Probe).waiting.next();
    const stopped = service.stop();
    // The one that is busy keeps none of them in the registry.
    while ((await registry.getService('probe')).length > 0) await new Promise(setImmediate);
    release();
    assert.equal((await call).text, 'released');
    await stopped;
  });

  it('says that run needs a class', async () => {
    await assert.rejects(run({}), /run\(Greeter\)/);
  });

  it('can be started again after a logger that could not be made', async () => {
    let fails = true;
    const logger = (): TestLogger => {
      if (fails) throw new Error('no log');
      return new TestLogger();
    };
    const service = createService({ ...stack(), services: [FirstToo], logger });
    await assert.rejects(service.start(), /no log/);
    fails = false;
    await service.start();
    await service.stop();
  });

  it('does not take an endpoint named start for a life cycle', async () => {
    const app = await TestApp.create({ services: [Engine, Driver] }).start();
    assert.equal(app.service('engine').resolve(Engine).runs, 0);
    assert.equal((await app.service('driver').resolve(DriverClient).drive({})).text, '1 runs');
    await app.stop();
  });

  it('leaves a client alone whose service has a life cycle of its own', async () => {
    const app = await TestApp.create({ services: [Opening, Visiting] }).start();
    assert.equal(app.service('opening').resolve(Opening).open, true);
    await app.stop();
  });

  it('stops what was provided also when another thing cannot be made', async () => {
    const stopped: string[] = [];
    class Database implements Lifecycle {
      stop(): void {
        stopped.push('database');
      }
    }
    const provide = [[Database, () => new Database()]] as const;
    await assert.rejects(
      TestApp.create({ services: [Wrapped], provide }).start(),
      /nothing is registered for Missing/,
    );
    assert.deepEqual(stopped, ['database']);
  });

  it('refuses at start a wrapper that cannot be made', async () => {
    await assert.rejects(
      TestApp.create({ services: [Wrapped] }).start(),
      /nothing is registered for Missing/,
    );
  });

  it('goes by the name that the environment gives it', async () => {
    const service = createService({
      ...stack(),
      services: [FirstToo],
      env: { MICRO_SERVER_NAME: 'renamed', MICRO_SERVER_VERSION: '2' },
    });
    await service.start();
    assert.deepEqual([service.name, service.version], ['renamed', '2']);
    await service.stop();
  });
});
