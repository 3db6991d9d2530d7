import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { timeout } from '../../src/wrapper/timeout.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, Wrapping } from '../support/wrapping.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

describe('timeout', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: timeout({ timeoutMs: 60_000 }),
  }));

  it('ends a call of a client, and the handler with it', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    const call = assert.rejects(app.client.wait({}), has('deadline_exceeded'));
    const release = await app.probe.waiting.next();
    await app.clock.advance(50);
    await call;
    assert.match(await app.probe.cancelled.next(), /deadline_exceeded|cancelled/);
    release();
  });

  it('travels: the handler knows the shorter deadline', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    assert.equal((await app.client.context({})).count, 50);
  });

  it('of a handler is what the handler and the calls inside keep to', async () => {
    await using app = await Wrapping.start({ server: { wrappers: [timeout({ timeoutMs: 70 })] } });
    assert.equal((await app.client.context({})).count, 70);
  });

  it('leaves a deadline that is sooner, and no timer behind', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 5_000 })] } });
    const before = app.clock.pending;
    assert.equal((await app.client.context({}, { timeoutMs: 40 })).count, 40);
    assert.equal((await app.client.context({}, { timeoutMs: 6_000 })).count, 5_000);
    assert.equal(app.clock.pending, before);
  });

  it('has many calls share a timer, and ends each in time', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 1_000 })] } });
    const before = app.clock.pending;
    const calls = [1, 2, 3, 4].map(() => assert.rejects(app.client.wait({}), has('deadline_exceeded')));
    const releases = await Promise.all(calls.map(() => app.probe.waiting.next()));
    // The client's own deadlines, the server's and the wrapper's: one timer each.
    assert.ok(app.clock.pending - before <= 3, `${app.clock.pending - before}`);
    await app.clock.advance(1_010);
    await Promise.all(calls);
    for (const release of releases) release();
  });

  it('holds for a whole stream', async () => {
    await using app = await Wrapping.start({ client: { wrappers: [timeout({ timeoutMs: 50 })] } });
    const seen: number[] = [];
    const reading = assert.rejects(async () => {
      for await (const { count } of app.client.count({ text: 'wait', count: 2 })) seen.push(count);
    }, has('deadline_exceeded'));
    await app.clock.advance(49);
    assert.deepEqual(seen, [1, 2]);
    await app.clock.advance(1);
    await reading;
  });

  it('gives up a delivery of an event, whose handler goes on', async () => {
    const clock = new VirtualClock();
    const call = aCall(clock, { kind: 'event' });
    const event = assert.rejects(
      timeout({ timeoutMs: 10 })(call, () => new Promise(() => {})),
      has('deadline_exceeded'),
    );
    await clock.advance(10);
    await event;
  });

  it('does not stand around attempts, and says so when a client is made', async () => {
    await assert.rejects(
      Wrapping.start({ client: { callWrappers: [timeout({ timeoutMs: 1 })] } }),
      /put it into "wrappers"/,
    );
  });
});
