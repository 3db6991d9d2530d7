import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InHand } from '../../src/core/in-hand.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

describe('what is in hand', () => {
  it('is waited for, whether it works out or not', async () => {
    const inHand = new InHand();
    const done: string[] = [];
    let fail = (): void => {};
    const failing = inHand
      .run(() => new Promise((_, reject) => (fail = () => reject(new Error('no')))))
      .catch(() => done.push('work'));
    const idle = inHand.idle().then(() => done.push('idle'));
    assert.equal(inHand.size, 1);
    fail();
    await Promise.all([failing, idle]);
    assert.equal(inHand.size, 0);
    assert.deepEqual(done.sort(), ['idle', 'work']);
    await inHand.idle();
  });

  it('is waited for with what it sets off', async () => {
    const inHand = new InHand();
    const done: string[] = [];
    let more: Promise<unknown> | undefined;
    const first = inHand.run(async () => {
      await Promise.resolve();
      more = inHand.run(async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push('second');
      });
      done.push('first');
    });
    await inHand.idle();
    assert.deepEqual(done, ['first', 'second']);
    await Promise.all([first, more]);
  });

  it('does not wait for itself, however deep it is, but for the rest', async () => {
    const inHand = new InHand();
    const other = new InHand();
    let finish = (): void => {};
    let finished = false;
    const rest = inHand.run(async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      finished = true;
    });
    const whole = inHand.run(() =>
      other.run(async () => {
        await other.idle();
        await inHand.idle();
        assert.ok(finished);
      }),
    );
    finish();
    await Promise.all([rest, whole]);
  });

  it('is not waited for beyond a time', async () => {
    const clock = new VirtualClock();
    const inHand = new InHand();
    let finish = (): void => {};
    const work = inHand.run(() => new Promise<void>((resolve) => (finish = resolve)));
    const late = inHand.idleWithin(100, clock);
    await clock.advance(100);
    assert.equal(await late, false);
    const inTime = inHand.idleWithin(100, clock);
    finish();
    assert.equal(await inTime, true);
    assert.equal(clock.pending, 0);
    await work;
  });
});
