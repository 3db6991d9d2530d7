import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Field, Handler, Message, Service } from '../../../decorators/index.js';
import { Broker } from '../../../src/broker/broker.js';
import type { EventContext } from '../../../src/core/context.js';
import { OctavoError } from '../../../src/core/error.js';
import { memory as memoryRegistry } from '../../../src/registry/memory.js';
import { topic, type Topic } from '../../../src/schema/topic.js';
import { rpc as rpcClient } from '../../../src/client/rpc.js';
import { rpc as rpcServer } from '../../../src/server/rpc.js';
import { createService, type ServiceOptions } from '../../../src/service/run.js';
import type { Service as RunningService } from '../../../src/service/service.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../../src/transport/memory.js';
import { trace } from '../../../src/wrapper/trace.js';
import type { DefineTest } from '../../conformance/conform.js';
import { FOREIGN, Spans, TRACEPARENT } from '../../support/tracing.js';

@Message('events.Job')
class Job {
  @Field(1, 'string') name = '';
}

@Service({ name: 'worker' })
class Worker {
  @Handler(Job, Job)
  async work(job: Job): Promise<Job> {
    return job;
  }
}

/** What handlers were given, as `name attempt`. */
class Log {
  readonly lines: string[] = [];
  readonly contexts: EventContext[] = [];

  take({ name }: Job, context: EventContext): void {
    this.lines.push(`${name} ${context.attempt}`);
    this.contexts.push(context);
  }

  async holds(...lines: readonly string[]): Promise<void> {
    while (!lines.every((line) => this.lines.includes(line)))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

type Env = Readonly<Record<string, string>>;

async function serving(
  env: Env,
  run: (service: RunningService) => Promise<void>,
  more: ServiceOptions = {},
): Promise<void> {
  const service = createService({
    services: [Worker],
    registry: memoryRegistry(),
    transport: memoryTransport(),
    logger: () => new TestLogger(),
    env,
    ...more,
  });
  await service.start();
  try {
    await run(service);
  } finally {
    await service.stop();
  }
}

function jobs(): Topic<Job> {
  return topic(`jobs-${randomUUID().slice(0, 8)}`, Job);
}

async function publish(service: RunningService, to: Topic<Job>, ...names: readonly string[]): Promise<void> {
  for (const name of names)
    await service.client.publish(
      { topic: to.name, type: Job, body: { name } },
      { metadata: { From: 'a test' } },
    );
}

/**
 * What subscribers of a service do is the same on every broker. Defines its tests.
 *
 * @param env the variables that choose the broker, asked for in each test
 */
export function serviceEvents(define: DefineTest, env: () => Env): void {
  define('what a subscriber throws at is tried again and buried, and its neighbours pass', () =>
    serving(env(), async (service) => {
      const to = jobs();
      const [log, graves] = [new Log(), new Log()];
      await service.subscribe(`${to.name}.dead`, Job, (job, context) => graves.take(job, context));
      await service.subscribe(
        to,
        (job, context) => {
          log.take(job, context);
          if (job.name === 'poison') throw new Error('no');
        },
        { queue: 'workers', retry: { attempts: 3, backoff: () => 20 }, deadLetter: true },
      );
      await publish(service, to, 'a', 'poison', 'b', 'c');
      await log.holds('a 1', 'b 1', 'c 1', 'poison 3');
      await graves.holds('poison 1');
      assert.deepEqual(
        log.lines.filter((line) => line.startsWith('poison')),
        ['poison 1', 'poison 2', 'poison 3'],
      );
      assert.deepEqual(graves.lines, ['poison 1']);
      const [grave] = graves.contexts;
      assert.equal(grave?.metadata.get('From'), 'a test');
      const ids = log.contexts.filter((_, at) => log.lines[at]?.startsWith('poison')).map(({ id }) => id);
      assert.deepEqual([...new Set(ids)], [grave.id]);
      assert.notEqual(grave.id, '');
    }),
  );

  define('what a subscriber refuses by hand comes again, until it takes it', () =>
    serving(env(), async (service) => {
      const to = jobs();
      const log = new Log();
      await service.subscribe(
        to,
        (job, context) => {
          log.take(job, context);
          if (context.attempt < 3) context.nack({ delayMs: 20 });
          else context.ack();
        },
        { queue: 'workers', ack: 'manual' },
      );
      await publish(service, to, 'a', 'b');
      await log.holds('a 3', 'b 3');
      assert.deepEqual(log.lines.toSorted(), ['a 1', 'a 2', 'a 3', 'b 1', 'b 2', 'b 3']);
    }),
  );

  define('events wait for a durable subscriber whose service is away, or it fails at its start', async () => {
    const to = jobs();
    const log = new Log();
    const subscribe = (service: RunningService): Promise<unknown> =>
      service.subscribe(to, (job, context) => log.take(job, context), { queue: 'workers', durable: true });
    let durable = false;
    await serving(env(), async (service) => {
      const broker = service.resolve(Broker);
      ({ durable } = broker.guarantees);
      if (durable) await subscribe(service);
      else
        await assert.rejects(
          subscribe(service),
          (reason) =>
            reason instanceof OctavoError &&
            reason.code === 'failed_precondition' &&
            /durable/.test(reason.message),
        );
    });
    if (!durable) return;
    await serving(env(), (service) => publish(service, to, 'while away'));
    assert.deepEqual(log.lines, []);
    await serving(env(), async (service) => {
      await subscribe(service);
      await log.holds('while away 1');
    });
  });

  define(
    'each delivery of an event is in the trace of its publish, with the state of whoever began it',
    async () => {
      const to = jobs();
      const log = new Log();
      const spans = new Spans();
      const wrapper = await trace({ provider: spans.provider });
      const traced = {
        client: rpcClient({ publishWrappers: [wrapper] }),
        server: rpcServer({ subscriberWrappers: [wrapper] }),
      };
      await serving(
        env(),
        async (service) => {
          await service.subscribe(
            to,
            (job, context) => {
              log.take(job, context);
              if (context.attempt === 1) throw new Error('not yet');
            },
            { queue: 'workers', retry: { attempts: 3, backoff: () => 20 } },
          );
          const metadata = { traceparent: TRACEPARENT, tracestate: 'vendor=1' };
          await service.client.publish({ topic: to.name, type: Job, body: { name: 'a' } }, { metadata });
          await log.holds('a 2');
        },
        traced,
      );
      const [published, ...more] = spans.of('PRODUCER');
      assert.equal(more.length, 0);
      assert.equal(published?.parentSpanContext?.spanId, FOREIGN.span);
      const deliveries = spans.of('CONSUMER');
      assert.equal(deliveries.length, 2);
      for (const { parentSpanContext: parent, attributes } of deliveries) {
        assert.deepEqual(
          [parent?.traceId, parent?.spanId, parent?.traceState?.serialize()],
          [FOREIGN.trace, published.spanContext().spanId, 'vendor=1'],
        );
        assert.equal(attributes['messaging.system.name'], published.attributes['messaging.system.name']);
      }
    },
  );

  define('a stop waits for the event in hand, which does not come again', async () => {
    const to = jobs();
    const log = new Log();
    let finish = (): void => {};
    let through = false;
    const stopped = serving(env(), async (service) => {
      await service.subscribe(
        to,
        async (job, context) => {
          log.take(job, context);
          await new Promise<void>((resolve) => (finish = resolve));
          through = true;
        },
        { queue: 'workers' },
      );
      // A publish may wait for the handler.
      void publish(service, to, 'a').catch(() => {});
      await log.holds('a 1');
      setTimeout(finish, 50);
    });
    await stopped;
    assert.equal(through, true);
    assert.deepEqual(log.lines, ['a 1']);
  });
}
