import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { Handler, Service, Wrap } from '../../decorators/index.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { TestApp } from '../../src/testing/test-app.js';
import { cache } from '../../src/wrapper/cache.js';
import type { Wrapper } from '../../src/wrapper/wrapper.js';
import { conform } from '../conformance/conform.js';
import { Ask, Told } from '../conformance/probe.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping } from '../support/wrapping.js';

describe('cache', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: cache() }));

  it('gives a client’s reply again until its time is up, to each a reply of its own', async () => {
    const subject = cache({ ttlMs: 1_000 });
    await using app = await Wrapping.start({ client: { wrappers: [subject] } });
    const first = await app.client.again({});
    first.count = 99;
    const second = await app.client.again({});
    assert.deepEqual([second.count, second instanceof Told], [1, true]);
    assert.deepEqual(subject.stats(), { hits: 1, misses: 1, entries: 1 });
    await app.clock.advance(1_000);
    assert.equal((await app.client.again({})).count, 2);
    subject.clear();
    assert.equal((await app.client.again({})).count, 3);
  });

  it('keeps apart requests, tokens, and what else a reply varies by', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [cache({ vary: ['Language'] })] } });
    const ask = async (text: string, metadata: Record<string, string> = {}): Promise<number> =>
      (await app.client.again({ text }, { metadata })).count;
    assert.equal(await ask('a'), 1);
    assert.equal(await ask('b'), 2);
    assert.equal(await ask('a', { Authorization: 'x' }), 3);
    assert.equal(await ask('a', { Authorization: 'y' }), 4);
    assert.equal(await ask('a', { language: 'de' }), 5);
    assert.equal(await ask('a', { other: 'de' }), 1);
  });

  it('of a server keeps principals apart', async () => {
    const as: Wrapper = (call, next) => {
      call.context.principal = { subject: call.metadata.get('who') ?? '' };
      return next(call);
    };
    await using app = await Wrapping.start({ server: { wrappers: [as, cache()] } });
    const ask = async (who: string): Promise<number> =>
      (await app.client.again({}, { metadata: { who } })).count;
    assert.deepEqual([await ask('a'), await ask('b'), await ask('a'), await ask('b')], [1, 2, 1, 2]);
  });

  it('keeps no failure, and nothing of what is not idempotent', async () => {
    const subject = cache();
    await using app = await Wrapping.start({ client: { wrappers: [subject], retries: 0 } });
    app.probe.failures = 1;
    await assert.rejects(app.client.again({}), has('unavailable'));
    assert.equal((await app.client.again({})).count, 2);
    assert.equal((await app.client.once({})).count, 3);
    assert.equal((await app.client.once({})).count, 4);
    assert.equal(subject.stats().entries, 1);
  });

  it('keeps so many replies, and none that is too large', async () => {
    const subject = cache({ maxEntries: 2, maxBytes: 30 });
    await using app = await Wrapping.start({ client: { wrappers: [subject] } });
    for (const text of ['a', 'b', 'c', 'd']) await app.client.again({ text });
    assert.equal(subject.stats().entries, 2);
    const tight = cache({ maxBytes: 2 });
    await using other = await Wrapping.start({ client: { wrappers: [tight] } });
    await other.client.again({});
    assert.equal(tight.stats().entries, 0);
  });

  it('keeps no reply that has metadata beside it', async () => {
    const subject = cache();
    const beside: Wrapper = (call, next) => {
      call.context.reply.header.append('Count', '1');
      return next(call);
    };
    await using app = await Wrapping.start({ server: { wrappers: [subject, beside] } });
    await app.client.again({});
    assert.equal((await app.client.again({})).count, 2);
  });

  it('says at the start where it cannot stand', async () => {
    @Service({ name: 'kept' })
    class Kept {
      @Handler(Ask, Told)
      @Wrap(cache())
      async twice(): Promise<Told> {
        return new Told();
      }
    }
    await assert.rejects(
      TestApp.create({ services: [Kept] }).start(),
      /Kept.Twice: cache needs .*idempotent/,
    );
    await assert.rejects(
      Wrapping.start({ server: { subscriberWrappers: [cache()] } }),
      has('failed_precondition'),
    );
    await assert.rejects(Wrapping.start({ client: { callWrappers: [cache()] } }), has('failed_precondition'));
  });

  it('lets through what no contract types', async () => {
    const subject = cache();
    let calls = 0;
    const next = async (): Promise<{ body: number }> => ({ body: ++calls });
    const call = aCall(new VirtualClock(), { idempotent: true });
    assert.deepEqual([(await subject(call, next)).body, (await subject(call, next)).body], [1, 2]);
  });
});
