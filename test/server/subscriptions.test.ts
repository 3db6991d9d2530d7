import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Field, Message, Service, Subscribe } from '../../decorators/index.js';
import { Broker } from '../../src/broker/broker.js';
import { HttpBroker } from '../../src/broker/http.js';
import { Codecs } from '../../src/codec/codecs.js';
import { ProtobufCodec } from '../../src/codec/protobuf.js';
import { Clock } from '../../src/core/clock.js';
import type { EventContext } from '../../src/core/context.js';
import { OctavoError, RETRY_AFTER } from '../../src/core/error.js';
import { Identity } from '../../src/core/identity.js';
import { Metadata } from '../../src/core/metadata.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import { topic } from '../../src/schema/topic.js';
import { rpc } from '../../src/server/rpc.js';
import type { Subscription, SubscriptionOptions } from '../../src/server/server.js';
import { Subscriptions } from '../../src/server/subscriptions.js';
import type { Service as RunningService } from '../../src/service/service.js';
import { TestApp } from '../../src/testing/test-app.js';
import { TestBroker } from '../../src/testing/test-broker.js';
import type { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { parts } from '../support/parts.js';

@Message('subscriptions.Job')
class Job {
  @Field(1, 'string') name = '';
}

const Jobs = topic('jobs', Job);

@Service({ name: 'worker' })
class Worker {
  readonly seen: string[] = [];

  @Subscribe(Jobs, { ack: 'manual' })
  async onJob({ name }: Job, context: EventContext): Promise<void> {
    this.seen.push(`${name} ${context.attempt}`);
    if (context.attempt < 3) context.nack({ delayMs: 1_000 });
    else context.ack();
  }
}

@Service({ name: 'keeper' })
class Keeper {
  @Subscribe(Jobs, { durable: true })
  async onJob(): Promise<void> {}
}

describe('a subscriber that acknowledges by hand', () => {
  it('gets what it refused again, until it takes it', async () => {
    const clock = new VirtualClock();
    const app = await TestApp.create({ services: [Worker] })
      .override(Clock, clock)
      .start();
    const worker = app.resolve(Worker);
    await app.service().client.publish({ topic: Jobs.name, type: Job, body: { name: 'dig' } });
    await clock.advance(10_000);
    await app.stop();
    assert.deepEqual(worker.seen, ['dig 1', 'dig 2', 'dig 3']);
  });
});

describe('a subscriber that asks for what the broker cannot give', () => {
  it('fails at start, and says what and why', async () => {
    await assert.rejects(
      TestApp.create({ services: [Keeper] }).start(),
      (error) =>
        error instanceof OctavoError &&
        error.code === 'failed_precondition' &&
        /Keeper\.OnJob wants "jobs" durable, which the memory broker cannot give/.test(error.message),
    );
  });
});

@Service({ name: 'idle' })
class Idle {
  @Subscribe('idle', Job)
  async onIdle(): Promise<void> {}
}

interface Subject {
  readonly clock: VirtualClock;
  readonly service: RunningService;
  readonly logs: TestLogger;
  readonly publish: (name: string) => Promise<void>;
}

/** A service to subscribe in, on the memory broker or another. */
async function withService(run: (subject: Subject) => Promise<void>, broker?: Broker): Promise<void> {
  const clock = new VirtualClock();
  const builder = TestApp.create({ services: [Idle], server: rpc({ drainMs: 1_000 }) }).override(
    Clock,
    clock,
  );
  const app = await (broker === undefined ? builder : builder.override(Broker, broker)).start();
  const service = app.service();
  const publish = (name: string): Promise<void> =>
    service.client.publish({ topic: Jobs.name, type: Job, body: { name } });
  await run({ clock, service, logs: app.logs, publish });
  await app.stop();
}

function failing(): never {
  throw new Error('no');
}

describe('a subscriber that throws', () => {
  it('without retry is logged, and the event dropped', () =>
    withService(async ({ clock, service, logs, publish }) => {
      let tries = 0;
      await service.subscribe(Jobs, () => {
        tries++;
        failing();
      });
      await publish('dig');
      await clock.advance(60_000);
      assert.equal(tries, 1);
      assert.deepEqual(
        logs.records.filter(({ level }) => level === 'error').map(({ message }) => message),
        ['a subscriber refused an event, which is dropped'],
      );
    }));

  it('is tried again after its back-off, and buried after the last try', async () => {
    const broker = new TestBroker();
    await withService(async ({ clock, service }) => {
      const start = clock.now();
      const tries: string[] = [];
      const retry = { attempts: 3, backoff: (n: number) => n * 1_000 };
      await service.subscribe(
        Jobs,
        (_, { attempt }) => {
          tries.push(`${attempt} ${clock.now() - start}`);
          failing();
        },
        { retry, deadLetter: true },
      );
      const delivered = broker.deliver(Jobs, { name: 'dig' });
      await clock.advance(10_000);
      await delivered;
      assert.deepEqual(tries, ['1 0', '2 1000', '3 3000']);
      assert.deepEqual(
        broker.deadLetters(Jobs).map(({ name }) => name),
        ['dig'],
      );
      assert.equal(broker.published.at(-1)?.message.header.get('micro-topic'), 'jobs.dead');
    }, broker);
  });

  it('is tried again no sooner than what it throws says, and within a minute all the same', async () => {
    const times: number[] = [];
    const asks = [5_000, 0, 3_600_000, -1, 'soon'];
    await withService(async ({ clock, service, publish }) => {
      const begun = clock.now();
      const backoff = (): number => 1_000;
      const attempts = asks.length + 1;
      const handler = async (): Promise<void> => {
        times.push(clock.now() - begun);
        const ms = asks[times.length - 1];
        throw new OctavoError('resource_exhausted', 'not now', { details: [{ type: RETRY_AFTER, ms }] });
      };
      await service.subscribe(Jobs, handler, { retry: { attempts, backoff } });
      await publish('dig');
      await clock.advance(100_000);
    });
    assert.deepEqual(times, [0, 5_000, 6_000, 66_000, 67_000, 68_000]);
  });

  it('is tried again though its back-off throws too', () =>
    withService(async ({ clock, service, publish }) => {
      let tries = 0;
      await service.subscribe(
        Jobs,
        () => {
          tries++;
          failing();
        },
        { retry: { attempts: 3, backoff: failing } },
      );
      await publish('dig');
      await clock.advance(60_000);
      assert.equal(tries, 3);
    }));

  it('keeps an event that cannot even be buried, and tries again', () =>
    withService(async ({ clock, service, publish, logs }) => {
      let tries = 0;
      const full = await service.subscribe(
        `${Jobs.name}.dead`,
        Job,
        (_, context) => context.nack({ delayMs: 1e9 }),
        {
          ack: 'manual',
        },
      );
      for (let n = 0; n < 1_024; n++)
        await service.client.publish({ topic: `${Jobs.name}.dead`, type: Job, body: {} });
      await service.subscribe(
        Jobs,
        () => {
          tries++;
          failing();
        },
        { deadLetter: true },
      );
      await publish('dig');
      await clock.advance(0);
      assert.equal(tries, 1);
      assert.match(logs.records.at(-1)?.message ?? '', /neither to its subscriber nor to jobs\.dead/);
      await full.unsubscribe();
      await clock.advance(100);
      assert.equal(tries, 2);
      assert.match(logs.records.at(-1)?.message ?? '', /went to jobs\.dead/);
    }));
});

describe('a subscriber that refuses by hand', () => {
  it('gets the event no more often than its retry says', () =>
    withService(async ({ clock, service, publish }) => {
      const seen: string[] = [];
      await service.subscribe(`${Jobs.name}.dead`, Job, ({ name }) => void seen.push(`${name} is dead`));
      const options = { ack: 'manual', retry: { attempts: 2 }, deadLetter: true } as const;
      await service.subscribe(
        Jobs,
        ({ name }, context) => {
          seen.push(`${name} ${context.attempt}`);
          context.nack();
        },
        options,
      );
      await publish('dig');
      await clock.advance(60_000);
      assert.deepEqual(seen, ['dig 1', 'dig 2', 'dig is dead']);
    }));

  it('gets it again in the process, where the broker delivers nothing again', async () => {
    const broker = new TestBroker();
    await withService(async ({ clock, service }) => {
      const seen: number[] = [];
      await service.subscribe(
        Jobs,
        (_, context) => {
          if (seen.push(context.attempt) < 3) context.nack({ delayMs: 1_000 });
          else context.ack();
        },
        { ack: 'manual' },
      );
      const delivered = broker.deliver(Jobs, { name: 'dig' });
      await clock.advance(2_000);
      await delivered;
      assert.deepEqual(seen, [1, 2, 3]);
    }, broker);
  });

  it('may do so after its return, and is heard once', () =>
    withService(async ({ clock, service, publish }) => {
      const contexts: EventContext[] = [];
      await service.subscribe(Jobs, (_, context) => void contexts.push(context), { ack: 'manual' });
      await publish('dig');
      await clock.advance(0);
      contexts[0]?.nack({ delayMs: 10 });
      contexts[0]?.nack({ delayMs: 10 });
      await clock.advance(100);
      assert.deepEqual(
        contexts.map(({ attempt }) => attempt),
        [1, 2],
      );
      contexts[1]?.ack();
    }));

  it('and then throws is heard, and what it throws is logged', () =>
    withService(async ({ clock, service, publish, logs }) => {
      const seen: number[] = [];
      await service.subscribe(
        Jobs,
        (_, context) => {
          seen.push(context.attempt);
          if (context.attempt > 1) return context.ack();
          context.nack({ delayMs: 10 });
          failing();
        },
        { ack: 'manual' },
      );
      await publish('dig');
      await clock.advance(100);
      assert.deepEqual(seen, [1, 2]);
      assert.match(logs.records.at(-1)?.message ?? '', /threw after it had acknowledged or refused/);
    }));
});

describe('a subscriber that ends', () => {
  it('may do so in its own handler, and wait for that', () =>
    withService(async ({ clock, service, publish }) => {
      const seen: string[] = [];
      const subscriber = await service.subscribe(Jobs, async ({ name }) => {
        await subscriber.unsubscribe();
        seen.push(name);
      });
      await publish('dig');
      await publish('fill');
      await clock.advance(0);
      assert.deepEqual(seen, ['dig']);
    }));

  it('gives an event that waits for its next try to another of its queue', () =>
    withService(async ({ clock, service, publish }) => {
      const seen: string[] = [];
      const retry = { backoff: () => 60_000 };
      const leaving = await service.subscribe(Jobs, failing, { queue: 'q', retry });
      await publish('dig');
      await clock.advance(0);
      await service.subscribe(Jobs, ({ name }) => void seen.push(name), { queue: 'q' });
      await leaving.unsubscribe();
      await clock.advance(100);
      assert.deepEqual(seen, ['dig']);
    }));

  it('with its service is waited for so long, and then cancelled', async () => {
    let reason: OctavoError | undefined;
    let stopped = false;
    const clock = new VirtualClock();
    const app = await TestApp.create({ services: [Idle], server: rpc({ drainMs: 1_000 }) })
      .override(Clock, clock)
      .start();
    await app.service().subscribe(Jobs, async (_, context) => {
      await new Promise<void>((resolve) => context.onCancel(() => resolve()));
      reason = context.cancelled;
    });
    await app.service().client.publish({ topic: Jobs.name, type: Job, body: { name: 'dig' } });
    await clock.advance(0);
    const stopping = app.stop().then(() => (stopped = true));
    await clock.advance(999);
    assert.deepEqual([stopped, reason], [false, undefined]);
    await clock.advance(1);
    await stopping;
    assert.equal(reason?.code, 'unavailable');
    assert.ok(
      app.logs.records.some(({ message }) => message === 'cancelling events that did not end in time'),
    );
  });
});

describe('subscriptions that are added to a running service', () => {
  function subscription(topicName: string, run: () => void, options: SubscriptionOptions = {}): Subscription {
    return { topic: topicName, type: Job, name: 'Test.OnJob', handler: run, options, wrappers: [] };
  }

  it('are all there, or none', async () => {
    const { registry, clock, logger } = { ...parts(), registry: new MemoryRegistry({}, parts()) };
    const broker = new HttpBroker({}, { registry, clock, logger });
    await broker.start();
    const identity = new Identity({ name: 'test', version: '1' });
    const codecs = new Codecs([new ProtobufCodec()]);
    const subscriptions = new Subscriptions({ identity, broker, codecs, clock, logger }, []);
    await subscriptions.start();
    let got = 0;
    const good = subscription('good', () => void got++);
    await assert.rejects(subscriptions.add([good, subscription('x'.repeat(60), () => {})]));
    assert.deepEqual([subscriptions.all, await registry.listServices()], [[], []]);
    await subscriptions.add([good]);
    await broker.publish('good', { header: new Metadata(), body: new Uint8Array() });
    assert.equal(got, 1);
    await subscriptions.stop(1_000);
    assert.deepEqual(await registry.listServices(), []);
    await broker.stop();
  });
});
