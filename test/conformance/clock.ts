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
