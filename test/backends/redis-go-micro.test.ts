import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata } from '../../src/core/metadata.js';
import { buildGo, GoProgram } from '../support/go-program.js';
import { RedisBench, Seen, until } from '../support/redis-bench.js';

const program = buildGo('test/backends/peers/redis-go');

describe(
  'a go-micro process on the redis broker',
  { skip: program === undefined && 'there is no Go' },
  () => {
    it('hears what Octavo publishes, and Octavo hears what it publishes', () =>
      RedisBench.with(async (bench) => {
        const go = await GoProgram.start(program ?? '', [bench.server.address, 'to.go']);
        try {
          await until(
            async () => ((await bench.raw().pubsub('NUMSUB', 'to.go')) as [string, number])[1] === 1,
          );
          const broker = bench.pubsub();
          await broker.start();
          const seen = new Seen();
          await broker.subscribe('to.octavo', seen.handler);
          const bytes = Buffer.from('hi Go');
          const header = new Metadata({ 'Content-Type': 'text/plain', 'Micro-Id': '3', Foo: 'é 日本' });
          await broker.publish('to.go', { header, body: bytes });
          assert.deepEqual(await go.next('heard'), {
            event: 'heard',
            topic: 'to.go',
            body: 'hi Go',
            header: { 'Content-Type': 'text/plain', 'Micro-Id': '3', Foo: 'é 日本', 'Micro-Topic': 'to.go' },
          });
          await go.ask({ topic: 'to.octavo', body: 'hi Octavo' });
          await seen.holds('hi Octavo');
          const got = seen.deliveries[0]?.message.header;
          assert.deepEqual(
            ['From', 'micro-id', 'Micro-Topic', 'Content-Type'].map((name) => got?.get(name)),
            ['Go', '7', 'to.octavo', 'text/plain'],
          );
        } finally {
          await go[Symbol.asyncDispose]();
        }
      }));
  },
);
