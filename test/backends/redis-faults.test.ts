import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { OctavoError } from '../../src/core/error.js';
import { event, failure, RedisBench, Seen, surely, timed } from '../support/redis-bench.js';

const WRONG = 'mistyped-pass';

const SECRET = 'hunter2@/:';

describe('the start of the redis brokers', () => {
  it('says what it tried, and for how long, where there is no server', () =>
    RedisBench.with(async (bench) => {
      await bench.server.kill();
      const brokers = bench.both({ connectTimeoutMs: 600 });
      for (const broker of brokers) {
        const error = await failure(() => broker.start());
        assert.equal(error.code, 'unavailable');
        assert.match(
          error.message,
          new RegExp(
            `no Redis server at ${bench.server.address} within \\d+ ms: connect ECONNREFUSED.*start one`,
          ),
        );
      }
      await bench.server.restart();
      for (const broker of brokers) {
        await broker.start();
        await broker.publish('topic', event('x'));
      }
    }));

  it('waits for a server that comes up meanwhile', () =>
    RedisBench.with(async (bench) => {
      await bench.server.kill();
      const starting = Promise.all(bench.both().map((broker) => broker.start()));
      await bench.server.restart();
      await starting;
    }));

  it('finds the one of several that is there', () =>
    RedisBench.with(async (bench) => {
      const addresses = ['127.0.0.1:1', bench.server.address];
      for (const broker of bench.both({ addresses })) {
        await broker.start();
        await broker.publish('topic', event('x'));
      }
    }));

  it('opens once when it is asked for twice at once, and does not go on when it is stopped meanwhile', () =>
    RedisBench.with(async (bench) => {
      for (const broker of bench.both()) await Promise.all([broker.start(), broker.start()]);
      await bench.server.kill();
      for (const broker of bench.both()) {
        const starting = failure(() => broker.start());
        const ms = await timed(async () => {
          await broker.stop();
          assert.equal((await starting).code, 'unavailable');
        });
        assert.ok(ms < 1_500, `${ms} ms`);
      }
    }));

  it('fails at once for a wrong password, or none, and says that word', () =>
    RedisBench.with(
      async (bench) => {
        for (const options of [{ pass: WRONG }, { user: 'nobody', pass: SECRET }, {}])
          for (const broker of bench.both(options)) {
            let error = await failure(() => broker.publish('topic', event('x')));
            const ms = await timed(async () => (error = await failure(() => broker.start())));
            assert.ok(ms < 1_000, `${ms} ms`);
            assert.equal(error.code, 'unauthenticated', inspect(error));
            assert.match(error.message, /wrong user or password/);
            // Whoever mistyped it would read the right one out of it.
            const shown = inspect(error, { depth: 10 });
            assert.ok(!shown.includes(WRONG) && !shown.includes(SECRET), shown);
          }
      },
      { config: [`requirepass "${SECRET}"`] },
    ));

  it('takes user, password and database from its options and from an address', () =>
    RedisBench.with(
      async (bench) => {
        const coded = encodeURIComponent(SECRET);
        for (const options of [
          { user: 'ada', pass: SECRET, db: 2 },
          { addresses: [`redis://ada:${coded}@${bench.server.address}/2`] },
        ])
          for (const broker of bench.both(options)) {
            await broker.start();
            await broker.publish('topic', event('x'));
          }
        const raw = bench.raw({ username: 'ada', password: SECRET, db: 2 });
        assert.equal(await raw.xlen('octavo:topic'), 2);
        const error = await failure(() => bench.pubsub({ addresses: [`redis://ada:${coded}@a b`] }));
        assert.ok(!error.message.includes(coded), error.message);
      },
      { config: [`user ada on >${SECRET} ~* &* +@all`, 'user default off'] },
    ));

  it('never shows what is secret, whatever happens', () =>
    RedisBench.with(
      async (bench) => {
        const addresses = [`redis://:${encodeURIComponent(SECRET)}@${bench.server.address}`];
        for (const broker of bench.both({ addresses, connectTimeoutMs: 300 })) {
          await broker.start();
          await broker.subscribe('topic', () => {});
          await bench.server.kill();
          const errors = [await failure(() => broker.publish('topic', event('x')))];
          await broker.stop();
          errors.push(await failure(() => broker.start()));
          await bench.server.restart();
          const shown = inspect([errors, broker.options, broker.address], { depth: 10 }) + bench.log;
          assert.ok(!shown.includes('hunter2'), shown);
        }
        assert.ok(bench.logger.records.length > 0);
      },
      { config: [`requirepass "${SECRET}"`] },
    ));
});

describe('what a Redis server allows', () => {
  it('is said where it is not enough, and what is allowed goes on', () =>
    RedisBench.with(
      async (bench) => {
        for (const broker of bench.both({ user: 'ada', pass: 'x' })) {
          await broker.start();
          for (const refused of [
            await failure(() => broker.publish('closed', event('x'))),
            await failure(() => broker.subscribe('closed', () => {})),
          ]) {
            assert.equal(refused.code, 'permission_denied', inspect(refused));
            assert.match(refused.message, /NOPERM/);
          }
          const seen = new Seen();
          await broker.subscribe('open', seen.handler);
          await broker.publish('open', event('x'));
          await seen.holds('x');
        }
      },
      {
        // What docs/providers/redis.md says is needed.
        config: [
          'user ada on >x ~octavo:open &open +ping +publish +subscribe +unsubscribe +xadd +xread +xreadgroup +xack +xclaim +xautoclaim +xpending +xrange +xinfo +xgroup +multi +exec +eval +xlen +xtrim +exists +del +time',
        ],
      },
    ));

  it('and it is full: a publish says so', () =>
    RedisBench.with(
      async (bench) => {
        for (const broker of bench.both()) {
          await broker.start();
          await bench.raw().config('SET', 'maxmemory', '1');
          if (broker.name === 'redis-streams') {
            const error = await failure(() => broker.publish('topic', event('x')));
            assert.equal(error.code, 'resource_exhausted');
            assert.match(error.message, /is full/);
          }
          await bench.raw().config('SET', 'maxmemory', '0');
          await broker.publish('topic', event('x'));
        }
      },
      { config: ['maxmemory-policy noeviction'] },
    ));
});

describe('the death of a Redis server', () => {
  it('ends publishes under way, and those that come next are refused at once and not kept', () =>
    RedisBench.with(async (bench) => {
      for (const broker of bench.both()) {
        await broker.start();
        const seen = new Seen();
        await broker.subscribe('topic', seen.handler);
        await bench.server.pause();
        // It may be there before the server dies.
        const underWay = broker.publish('topic', event('under way')).catch((reason: unknown) => reason);
        await bench.server.kill();
        let error = (await underWay) ?? new OctavoError('unavailable', 'it was there');
        assert.ok(error instanceof OctavoError && error.code === 'unavailable', inspect(error));
        const ms = await timed(
          async () => (error = await failure(() => broker.publish('topic', event('down')))),
        );
        assert.equal(error.code, 'unavailable');
        assert.ok(ms < 100, `${ms} ms`);
        await bench.server.restart();
        await surely(broker, 'topic', 'back');
        // Over pub/sub the subscriber may be back after the publisher.
        if (broker.name === 'redis-streams') await seen.holds('back');
        assert.ok(!seen.texts.includes('down'));
      }
    }));

  it('is got over by itself, time and again, with every subscription as it was', (t) =>
    RedisBench.with(async (bench) => {
      for (const broker of bench.both()) {
        await broker.start();
        const [seen, shared] = [new Seen(), new Seen()];
        await broker.subscribe('topic', seen.handler);
        await broker.subscribe('other', shared.handler, broker.guarantees.queues ? { queue: 'q' } : {});
        const times: number[] = [];
        for (let round = 0; round < 4; round++) {
          await bench.server.kill();
          await bench.server.restart();
          const ms = await timed(async () => {
            for (let n = 0; !seen.texts.includes(`${round}`) || !shared.texts.includes(`${round}`); n++) {
              await surely(broker, 'topic', `${round}`);
              await surely(broker, 'other', `${round}`);
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
          });
          times.push(Math.round(ms));
          assert.ok(ms < 3_000, `${ms} ms in round ${round}`);
        }
        t.diagnostic(`${broker.name}: works again ${times.join(', ')} ms after the port was open`);
      }
    }));
});

describe('a Redis server that hangs', () => {
  it(
    'for ten seconds is noticed: publishes fail in time, and all goes on when it does',
    { timeout: 60_000 },
    (t) =>
      RedisBench.with(async (bench) => {
        const brokers = bench.both({ timeoutMs: 1_000 });
        const seen = new Map<string, Seen>();
        for (const broker of brokers) {
          await broker.start();
          seen.set(broker.name, new Seen());
          await broker.subscribe(broker.name, seen.get(broker.name)?.handler ?? (() => {}));
        }
        await bench.server.pause();
        const goesOn = new Promise((resolve) => setTimeout(resolve, 10_000));
        await Promise.all(
          brokers.map(async (broker) => {
            const publish = (): Promise<OctavoError> =>
              failure(() => broker.publish(broker.name, event('frozen')));
            let error = await publish();
            assert.ok(['deadline_exceeded', 'unavailable'].includes(error.code), inspect(error));
            // By then it is taken for dead.
            const ms = await timed(async () => {
              while (error.code !== 'unavailable') error = await publish();
            });
            assert.ok(ms < 5_000, `${ms} ms`);
          }),
        );
        await goesOn;
        bench.server.resume();
        for (const broker of brokers) {
          const ms = await timed(async () => {
            while (seen.get(broker.name)?.texts.includes('back') !== true) {
              await surely(broker, broker.name, 'back');
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
          });
          assert.ok(ms < 5_000, `${ms} ms`);
          t.diagnostic(`${broker.name}: works again ${Math.round(ms)} ms after it goes on`);
        }
      }),
  );

  it('does not keep a stop up', () =>
    RedisBench.with(async (bench) => {
      for (const broker of bench.both()) {
        await broker.start();
        await broker.subscribe('topic', () => {});
        if (broker.guarantees.queues) await broker.subscribe('topic', () => {}, { queue: 'q' });
      }
      await bench.server.pause();
      const error = await failure(() => bench.pubsub({ connectTimeoutMs: 300 }).start());
      assert.match(error.message, /no answer within 300 ms/);
      for (const broker of bench.both()) {
        const starting = failure(() => broker.start());
        await broker.stop();
        await starting;
      }
      const ms = await timed(() => bench.stop());
      assert.ok(ms < 4_000, `${ms} ms`);
    }));
});
