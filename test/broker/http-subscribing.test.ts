import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { event, HttpBrokers } from '../support/http-brokers.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';

const SOON = { timeout: 10_000 };

function fails(run: () => Promise<unknown>, code: Code, text: RegExp): Promise<void> {
  return assert.rejects(
    run,
    (error) => error instanceof OctavoError && error.code === code && text.test(error.message),
  );
}

/** A registry that takes a record when it is let, and whose tale of it may be wrong. */
class SlowRegistry extends MemoryRegistry {
  fails = false;
  gate: Promise<void> = Promise.resolve();
  asked = 0;

  override async register(service: ServiceRecord): Promise<void> {
    this.asked++;
    await this.gate;
    await super.register(service);
    if (this.fails) throw new OctavoError('unavailable', 'no answer');
  }
}

describe('a subscriber over http', () => {
  let brokers = new HttpBrokers();
  beforeEach(() => {
    brokers = new HttpBrokers();
  });
  afterEach(() => brokers.close());

  const slow: readonly (readonly [string, string])[] = [
    ['whose body never ends', 'POST /?id=x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc'],
    ['whose header never ends', 'POST /?id=x HTTP/1.1\r\nHost: x\r\nA: '],
    ['that never begins', ''],
  ];
  for (const [what, text] of slow)
    it(`cuts off a post ${what} after timeoutMs`, SOON, async () => {
      const broker = await brokers.broker({ timeoutMs: 50 });
      await broker.subscribe('events', () => {});
      const raw = await Raw.open(broker.address);
      raw.write(text);
      await raw.end();
    });

  it('does not cut off a handler that takes longer than that', SOON, async () => {
    const broker = await brokers.broker({ timeoutMs: 20 });
    let handled = false;
    await broker.subscribe('events', async () => {
      await new Promise((resolve) => setTimeout(resolve, 60));
      handled = true;
    });
    const publisher = await brokers.broker();
    await publisher.publish('events', event('x'));
    assert.ok(handled);
    assert.deepEqual(brokers.messages, []);
  });

  it('holds so many connections, and no more', SOON, async () => {
    const broker = await brokers.broker({ maxConnections: 1 });
    await broker.subscribe('events', () => {});
    const first = await Raw.open(broker.address);
    first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await first.until((text) => text.includes('405'));
    const second = await Raw.open(broker.address);
    await second.end();
    first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await first.until((text) => text.split('405').length === 3);
    first.close();
  });

  it(
    'takes in so many events at once, those that arrive included, and counts those that broke off',
    SOON,
    async () => {
      const broker = await brokers.broker({ maxEvents: 1 });
      await broker.subscribe('events', () => {});
      const half = await Raw.open(broker.address);
      half.write('POST /?id=x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc');
      const status = async (): Promise<number> => (await fetch(`http://${broker.address}/`)).status;
      while ((await status()) !== 429) await new Promise(setImmediate);
      half.close();
      while ((await status()) === 429) await new Promise(setImmediate);
      assert.equal(await status(), 405);
    },
  );

  it('on every interface advertises one that can be dialled', async () => {
    const broker = await brokers.broker({ address: ':0' });
    await broker.subscribe('events', () => {});
    assert.match(broker.address, /:\d+$/);
    assert.doesNotMatch(broker.address, /^(?:0\.0\.0\.0|\[::\]|):/);
    const [record] = await brokers.registry.getService('micro.http.broker');
    assert.equal(record?.nodes[0]?.address, broker.address);
  });

  it('advertises what it is told to', async () => {
    const broker = await brokers.broker({ advertise: '10.1.2.3' });
    await broker.subscribe('events', () => {});
    assert.match(broker.address, /^10\.1\.2\.3:[1-9]\d*$/);
  });

  it('is no loopback address by mere default where others would dial themselves', async () => {
    const far = Object.defineProperty(new MemoryRegistry({}, parts()), 'local', { value: false });
    const broker = await brokers.broker({}, far);
    await fails(
      () => broker.subscribe('events', () => {}),
      'failed_precondition',
      /MICRO_BROKER_ADDRESS.*advertise/,
    );
    assert.deepEqual([broker.address, await far.listServices()], ['', []]);
  });

  it('of a topic that is no DNS name is told so', async () => {
    const broker = await brokers.broker();
    const subscribe = (topic: string) => () => broker.subscribe(topic, () => {});
    await subscribe('t'.repeat(50))();
    await subscribe(`${'t'.repeat(63)}.${'t'.repeat(50)}`)();
    await fails(subscribe('t'.repeat(51)), 'failed_precondition', /at most 50 bytes behind the last/);
    await fails(subscribe(`${'t'.repeat(64)}.t`), 'failed_precondition', /1 to 63 bytes/);
    await fails(subscribe('a..b'), 'failed_precondition', /1 to 63 bytes/);
    await fails(subscribe('é'.repeat(26)), 'failed_precondition', /at most 50 bytes/);
    await fails(subscribe('t.'.repeat(95)), 'failed_precondition', /187 in all/);
    assert.equal((await brokers.registered()).length, 2);
  });

  it('that the registry does not take leaves nothing behind', async () => {
    const registry = new SlowRegistry({}, parts());
    registry.fails = true;
    const broker = await brokers.broker({}, registry);
    await fails(() => broker.subscribe('events', () => {}), 'unavailable', /no answer/);
    assert.deepEqual(await registry.listServices(), []);
    registry.fails = false;
    const got: string[] = [];
    await broker.subscribe('events', () => void got.push('x'));
    await broker.publish('events', event('x'));
    assert.deepEqual(got, ['x']);
  });

  it('that a stop overtakes is told, and leaves nothing behind', async () => {
    const registry = new SlowRegistry({}, parts());
    let open = (): void => {};
    registry.gate = new Promise((resolve) => (open = resolve));
    const broker = await brokers.broker({}, registry);
    const refused = fails(
      () => broker.subscribe('events', () => {}),
      'failed_precondition',
      /stopped while "events"/,
    );
    while (registry.asked === 0) await new Promise(setImmediate);
    const stopped = broker.stop();
    open();
    await Promise.all([refused, stopped]);
    assert.deepEqual(await registry.listServices(), []);
  });

  it('is not brought back by a renewal that is late', async () => {
    const clock = new VirtualClock();
    brokers = new HttpBrokers(clock);
    const registry = new SlowRegistry({}, { clock });
    const broker = await brokers.broker({}, registry);
    const subscriber = await broker.subscribe('events', () => {});
    let open = (): void => {};
    registry.gate = new Promise((resolve) => (open = resolve));
    await clock.advance(30_000);
    assert.equal(registry.asked, 2);
    const ended = subscriber.unsubscribe();
    open();
    await ended;
    assert.deepEqual(await registry.listServices(), []);
    await clock.advance(60_000);
    assert.equal(registry.asked, 2);
  });

  it('refuses to renew less often than twice in a TTL', () =>
    assert.rejects(
      () => brokers.broker({ registerTtlMs: 10, registerIntervalMs: 6 }),
      (error) => error instanceof OctavoError && error.code === 'failed_precondition',
    ));

  it('that stops answers what it has in hand', SOON, async () => {
    const broker = await brokers.broker();
    const publisher = await brokers.broker();
    let release = (): void => {};
    let begun = (): void => {};
    const begin = new Promise<void>((resolve) => (begun = resolve));
    await broker.subscribe('events', async () => {
      begun();
      await new Promise<void>((resolve) => (release = resolve));
    });
    const published = publisher.publish('events', event('x'));
    await begin;
    const stopped = broker.stop();
    release();
    await Promise.all([published, stopped]);
    assert.deepEqual(brokers.messages, []);
  });

  it('waits at its stop for no longer than drainMs, and says so', SOON, async () => {
    const broker = await brokers.broker({ drainMs: 50 });
    const publisher = await brokers.broker();
    let begun = (): void => {};
    const begin = new Promise<void>((resolve) => (begun = resolve));
    await broker.subscribe('events', () => {
      begun();
      return new Promise<never>(() => {});
    });
    const published = publisher.publish('events', event('x'));
    await begin;
    await broker.stop();
    await published;
    assert.deepEqual(brokers.messages, [
      'what the http broker had in hand did not end in time, and is left alone',
      'an event could not be posted',
    ]);
  });

  it('may stop its broker from within a handler', SOON, async () => {
    const broker = await brokers.broker();
    const publisher = await brokers.broker();
    let stopped = false;
    await broker.subscribe('events', async () => {
      await broker.stop();
      stopped = true;
    });
    await publisher.publish('events', event('x'));
    assert.ok(stopped);
    assert.deepEqual(await brokers.registered(), []);
  });

  it('that refuses an event is logged, as it comes never again', async () => {
    const broker = await brokers.broker();
    await broker.subscribe('events', (delivery) => delivery.nack(), { autoAck: false });
    await broker.publish('events', event('x'));
    assert.deepEqual(brokers.messages, ['an event was refused, and the http broker delivers none again']);
  });
});
