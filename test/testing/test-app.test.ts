import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { inspect } from 'node:util';
import { ClientOf, Field, Handler, Injectable, Message, Service, Subscribe } from '../../decorators/index.js';
import { Broker } from '../../src/broker/broker.js';
import { Clock } from '../../src/core/clock.js';
import { OctavoError } from '../../src/core/error.js';
import { topic } from '../../src/schema/topic.js';
import { TestApp, TestBroker, VirtualClock, fakeClient } from '../../src/testing/index.js';
import { brokerSuite } from '../conformance/broker.js';
import { conform } from '../conformance/conform.js';

@Message('testing.Entry')
class Entry {
  @Field(1, 'string') who = '';
}

@Service({ name: 'audit' })
class Audit {
  @Handler(Entry, Entry)
  async record(entry: Entry): Promise<Entry> {
    return entry;
  }
}

class AuditClient extends ClientOf(Audit) {}

const Entries = topic('entries', Entry);

@Service({ name: 'desk' })
class Desk {
  readonly seen: string[] = [];
  readonly #audit: AuditClient;
  readonly #clock: Clock;
  constructor(audit: AuditClient, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  @Handler(Entry, Entry)
  async visit({ who }: Entry): Promise<Entry> {
    return this.#audit.record({ who });
  }

  @Handler(Entry, Entry, { timeoutMs: 60_000 })
  async patient({ who }: Entry): Promise<Entry> {
    await this.#clock.sleep(30_000);
    return { who };
  }

  @Subscribe(Entries, { retry: { attempts: 2, backoff: () => 1_000 }, deadLetter: true })
  async onEntry({ who }: Entry): Promise<void> {
    this.seen.push(who);
    if (who === 'nobody') throw new OctavoError('invalid_argument', 'nobody');
  }
}

class DeskClient extends ClientOf(Desk) {}

class Unknown {}

@Injectable()
class Unused {}

describe('TestApp', () => {
  it('puts a fake in the place of a client', async () => {
    const audit = fakeClient(AuditClient, { record: async () => ({ who: 'fake' }) });
    await using app = await TestApp.create({ services: [Desk] })
      .override(AuditClient, audit)
      .start();
    assert.equal((await app.client(DeskClient).visit({ who: 'Ada' })).who, 'fake');
    assert.deepEqual(audit.calls.record[0]?.request, { who: 'Ada' });
  });

  it('runs several services, which reach each other', async () => {
    const app = await TestApp.create({ services: [Desk, Audit] }).start();
    assert.equal((await app.client(DeskClient).visit({ who: 'Ada' })).who, 'Ada');
    await app.stop();
  });

  it('moves time for whoever uses the clock', async () => {
    const clock = new VirtualClock();
    const app = await TestApp.create({ services: [Desk, Audit] })
      .override(Clock, clock)
      .start();
    const call = app.client(DeskClient).patient({ who: 'x' });
    await clock.advance(30_000);
    assert.equal((await call).who, 'x');
    const late = app.client(DeskClient).patient({ who: 'x' }, { timeoutMs: 10_000 });
    const rejected = assert.rejects(late, /took longer than 10000 ms/);
    await clock.advance(10_000);
    await rejected;
    await app.stop();
  });

  it('refuses an override that changes nothing, and warns of one that was not used', async () => {
    await assert.rejects(
      TestApp.create({ services: [Audit] })
        .override(Unknown, new Unknown())
        .start(),
      (error) => error instanceof OctavoError && /Unknown changes nothing/.test(error.message),
    );
    const app = await TestApp.create({ services: [Audit] })
      .override(Unused, new Unused())
      .start();
    assert.ok(app.logs.records.some(({ level, message }) => level === 'warn' && message.includes('Unused')));
    await app.stop();
  });

  it('delivers events through a test broker, and shows what was published and buried', async () => {
    const clock = new VirtualClock();
    const broker = new TestBroker();
    const app = await TestApp.create({ services: [Desk, Audit] })
      .override(Broker, broker)
      .override(Clock, clock)
      .start();
    await broker.deliver(Entries, { who: 'Ada' });
    const delivering = broker.deliver(Entries, { who: 'nobody' });
    await clock.advance(1_000);
    await delivering;
    await broker.settled();
    assert.deepEqual(app.resolve(Desk).seen, ['Ada', 'nobody', 'nobody']);
    assert.deepEqual(
      broker.deadLetters(Entries).map(({ who }) => who),
      ['nobody'],
    );
    await app.stop();
  });
});

describe('a fake client', () => {
  it('says which method it was not given', async () => {
    const fake = fakeClient(AuditClient, {});
    assert.throws(() => void fake.record({}), /Audit has no "record"/);
    assert.equal(await Promise.resolve(fake), fake);
    assert.ok(fake instanceof AuditClient);
  });
});

@Service({ name: 'motor' })
class Motor {
  @Handler(Entry, Entry)
  async start(entry: Entry): Promise<Entry> {
    return entry;
  }
}

class MotorClient extends ClientOf(Motor) {}

@Injectable()
class Key {
  readonly motor: MotorClient;
  constructor(motor: MotorClient) {
    this.motor = motor;
  }
}

@Service({ name: 'car' })
class Car {
  readonly key: Key;
  constructor(key: Key) {
    this.key = key;
  }
}

describe('a fake of a client whose endpoint is named like a life cycle', () => {
  it('is called by its callers and not by the app', async () => {
    const motor = fakeClient(MotorClient, { start: async () => ({ who: 'fake' }) });
    const app = await TestApp.create({ services: [Car] })
      .override(MotorClient, motor)
      .start();
    assert.equal((await app.resolve(Car).key.motor.start({})).who, 'fake');
    assert.equal(motor.calls.start.length, 1);
    await app.stop();
  });

  it('is printed like any object, which calls nothing', () => {
    const motor = fakeClient(MotorClient, { start: () => assert.fail('called') });
    assert.equal(inspect(motor), 'MotorClient {}');
    assert.equal(JSON.stringify({ motor }), '{"motor":{}}');
    assert.deepEqual(motor.calls.start, []);
  });
});

describe('TestBroker', () => {
  conform(test, brokerSuite, () => new TestBroker(), {
    lacks: {
      'every subscriber without a queue gets every event': 'each broker is a world of its own',
      'events wait for a durable queue that is away, where that is promised':
        'it takes durable subscriptions, and keeps nothing for them',
      'what a durable queue had in hand and did not acknowledge comes again, where that is promised':
        'it delivers once, whatever is said of it',
    },
  });
});
