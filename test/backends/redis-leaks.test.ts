import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SubscribeOptions } from '../../src/broker/broker.js';
import { event, RedisBench, Seen, until } from '../support/redis-bench.js';

const ROUNDS = 50;

describe('what is over leaves nothing behind', () => {
  it('on the server: no connection, no channel, no group and no consumer', () =>
    RedisBench.with(async (bench) => {
      const raw = bench.raw();
      const connections = async (): Promise<number> =>
        ((await raw.client('LIST')) as string).trim().split('\n').length;
      const before = await connections();
      for (const broker of bench.both()) {
        await broker.start();
        const started = await connections();
        const kinds: SubscribeOptions[] = broker.guarantees.queues ? [{}, { queue: 'q' }] : [{}];
        for (const options of kinds)
          for (let round = 0; round < ROUNDS; round++) {
            const seen = new Seen();
            const subscriber = await broker.subscribe('topic', seen.handler, options);
            await broker.publish('topic', event('x'));
            await seen.holds('x');
            await subscriber.unsubscribe();
          }
        await until(async () => (await connections()) === started);
        await broker.stop();
        await until(async () => (await connections()) === before);
      }
      assert.deepEqual(await raw.call('PUBSUB', 'CHANNELS'), []);
      assert.deepEqual(await raw.call('XINFO', 'GROUPS', 'octavo:topic'), []);
      assert.deepEqual((await raw.keys('*')).toSorted(), ['octavo:topic']);
    }));

  it('in the process: no timer and no socket', () =>
    RedisBench.with(async (bench) => {
      const resources = (): number =>
        process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout' || kind === 'TCPSocketWrap')
          .length;
      const before = resources();
      for (let round = 0; round < 5; round++)
        for (const broker of bench.both()) {
          await broker.start();
          await broker.subscribe('topic', ({ attempt }) => {
            if (attempt === 1) throw new Error('not now');
          });
          await broker.publish('topic', event('x'));
          await broker.stop();
        }
      // What was closed is gone a little later.
      await until(() => resources() <= before);
    }));
});
