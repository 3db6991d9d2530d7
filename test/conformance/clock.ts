import assert from 'node:assert/strict';
import type { Clock } from '../../src/core/clock.js';
import { OctavoError } from '../../src/core/error.js';
import type { Suite } from './conform.js';

/** A clock under test, and how a test lets time pass on it. */
export interface ClockSubject {
  readonly clock: Clock;
  readonly pass: (ms: number) => Promise<void>;
}

/** The promises of `Clock`. */
export const clockSuite = {
  'time never goes back, and passes': async ({ clock, pass }) => {
    const before = clock.now();
    await pass(10);
    assert.ok(clock.now() >= before + 9);
  },
  'a timer runs once, after its time and not within the call': async ({ clock, pass }) => {
    let runs = 0;
    clock.after(5, () => runs++);
    clock.after(0, () => runs++);
    clock.after(-5, () => runs++);
    assert.equal(runs, 0);
    await pass(50);
    assert.equal(runs, 3);
  },
  'timers run in the order of their times': async ({ clock, pass }) => {
    const order: number[] = [];
    for (const ms of [20, 5, 10]) clock.after(ms, () => order.push(ms));
    await pass(60);
    assert.deepEqual(order, [5, 10, 20]);
  },
  'timers of one time run in the order in which they were set': async ({ clock, pass }) => {
    const order: number[] = [];
    for (let n = 0; n < 10; n++) clock.after(5, () => order.push(n));
    await pass(30);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  },
  'a timer may set another, which does not run within it': async ({ clock, pass }) => {
    const order: string[] = [];
    clock.after(1, () => {
      clock.after(0, () => order.push('inner'));
      order.push('outer');
    });
    await pass(30);
    assert.deepEqual(order, ['outer', 'inner']);
  },
  'a timer may cancel another that is due, and itself': async ({ clock, pass }) => {
    let runs = 0;
    const own = clock.after(1, () => {
      runs++;
      own.cancel();
      other.cancel();
    });
    const other = clock.after(2, () => runs++);
    await pass(30);
    assert.equal(runs, 1);
  },
  'a timer in the background runs like any other': async ({ clock, pass }) => {
    let runs = 0;
    clock.after(5, () => runs++, { background: true });
    await pass(30);
    assert.equal(runs, 1);
  },
  'a timer that was cancelled does not run, and cancelling twice is fine': async ({ clock, pass }) => {
    let runs = 0;
    const timer = clock.after(5, () => runs++);
    timer.cancel();
    timer.cancel();
    await pass(30);
    assert.equal(runs, 0);
  },
  'a sleep ends after its time': async ({ clock, pass }) => {
    let awake = false;
    const sleeping = Promise.resolve(clock.sleep(5)).then(() => (awake = true));
    assert.equal(awake, false);
    await pass(50);
    await sleeping;
  },
  'a sleep of no time, or less, ends': async ({ clock, pass }) => {
    const sleeping = Promise.all([clock.sleep(0), clock.sleep(-5)]);
    await pass(5);
    await sleeping;
  },
  'a signal that fires after the sleep harms nobody': async ({ clock, pass }) => {
    const abort = new AbortController();
    const sleeping = Promise.resolve(clock.sleep(1, abort.signal));
    await pass(20);
    await sleeping;
    abort.abort();
  },
  'a sleep is ended by its signal, at once and when it has fired before': async ({ clock }) => {
    const abort = new AbortController();
    const sleeping = Promise.resolve(clock.sleep(60_000, abort.signal));
    abort.abort();
    const cancelled = (reason: unknown): boolean =>
      reason instanceof OctavoError && reason.code === 'cancelled';
    await assert.rejects(sleeping, cancelled);
    await assert.rejects(async () => clock.sleep(60_000, abort.signal), cancelled);
  },
} satisfies Suite<ClockSubject>;
