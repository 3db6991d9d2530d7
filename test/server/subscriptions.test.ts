import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Field, Message, Service, Subscribe } from '../../decorators/index.js';
import type { EventContext } from '../../src/core/context.js';
import { Clock } from '../../src/core/clock.js';
import { OctavoError } from '../../src/core/error.js';
import { topic } from '../../src/schema/topic.js';
import { TestApp } from '../../src/testing/test-app.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

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
