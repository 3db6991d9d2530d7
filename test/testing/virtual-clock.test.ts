import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

describe('VirtualClock', () => {
  it('begins where it is told, and stands still until it is moved', async () => {
    const clock = new VirtualClock(1_000);
    await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(clock.now(), 1_000);
    await clock.advance(50);
    assert.equal(clock.now(), 1_050);
  });

  it('begins at one and the same time when it is told none', () => {
    assert.equal(new VirtualClock().now(), Date.UTC(2026, 0, 1));
  });

  it('shows each timer the time at which it is due', async () => {
    const clock = new VirtualClock(0);
    const times: number[] = [];
    for (const ms of [30, 10, 20]) clock.after(ms, () => times.push(clock.now()));
    await clock.advance(25);
    assert.deepEqual(times, [10, 20]);
    await clock.advance(5);
    assert.deepEqual(times, [10, 20, 30]);
  });

  it('runs timers that timers set, as far as time has come', async () => {
    const clock = new VirtualClock(0);
    const ticks: number[] = [];
    const tick = (): void => {
      ticks.push(clock.now());
      clock.after(10, tick);
    };
    clock.after(10, tick);
    await clock.advance(35);
    assert.deepEqual(ticks, [10, 20, 30]);
    assert.equal(clock.pending, 1);
  });

  it('lets what a timer sets off come to rest before the next runs', async () => {
    const clock = new VirtualClock(0);
    const order: string[] = [];
    const sleeper = (async () => {
      await clock.sleep(10);
      await new Promise((resolve) => setImmediate(resolve));
      order.push('after the sleep');
    })();
    clock.after(11, () => order.push('timer'));
    await clock.advance(20);
    await sleeper;
    assert.deepEqual(order, ['after the sleep', 'timer']);
  });

  it('counts what waits: not what ran, was cancelled or was aborted', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const timer = clock.after(10, () => {});
    clock.after(20, () => {});
    const sleeping = assert.rejects(clock.sleep(30, abort.signal));
    assert.equal(clock.pending, 3);
    timer.cancel();
    abort.abort();
    await sleeping;
    assert.equal(clock.pending, 1);
    await clock.advance(20);
    assert.equal(clock.pending, 0);
  });

  it('runs what is due now when it is moved by nothing', async () => {
    const clock = new VirtualClock();
    let runs = 0;
    clock.after(0, () => runs++);
    clock.after(1, () => runs++);
    await clock.advance(0);
    assert.equal(runs, 1);
  });

  it('never goes back, also when two move it at once', async () => {
    const clock = new VirtualClock(0);
    await Promise.all([clock.advance(100), clock.advance(10)]);
    assert.equal(clock.now(), 100);
    await clock.advance(-50);
    assert.equal(clock.now(), 100);
  });

  it('shows whoever moves it what a timer throws', async () => {
    const clock = new VirtualClock();
    clock.after(1, () => {
      throw new Error('a mistake');
    });
    await assert.rejects(clock.advance(1), /a mistake/);
  });
});
