import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it, test } from 'node:test';
import { SystemClock } from '../../src/core/system-clock.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { clockSuite, type ClockSubject } from '../conformance/clock.js';
import { conform } from '../conformance/conform.js';
import { wrapped } from '../support/wrapped.js';

describe('SystemClock', () => {
  conform<ClockSubject, typeof clockSuite>(test, clockSuite, () => {
    const clock = new SystemClock();
    return { clock, pass: async (ms) => clock.sleep(ms) };
  });

  it('lets the process end while a timer in the background waits', () => {
    const module = new URL('../../src/core/system-clock.js', import.meta.url).href;
    const script = `
      import { SystemClock } from '${module}';
      new SystemClock().after(60_000, () => {}, { background: true });
    `;
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 10_000 });
  });

  it('waits longer than a timer of Node’s can', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const month = 31 * 24 * 3_600_000;
    let runs = 0;
    const clock = new SystemClock();
    clock.after(month, () => runs++);
    clock.after(month, () => runs++).cancel();
    // Each part begins when the one before is over.
    t.mock.timers.tick(2 ** 31 - 1);
    t.mock.timers.tick(month - 2 ** 31);
    assert.equal(runs, 0);
    t.mock.timers.tick(1);
    assert.equal(runs, 1);
  });

  it('counts from the wall’s time', () => {
    assert.ok(Math.abs(new SystemClock().now() - Date.now()) < 60_000);
  });
});

describe('VirtualClock', () => {
  conform<ClockSubject, typeof clockSuite>(test, clockSuite, () => {
    const clock = new VirtualClock();
    return { clock, pass: (ms) => clock.advance(ms) };
  });
});

describe('a wrapped VirtualClock', () => {
  conform<ClockSubject, typeof clockSuite>(test, clockSuite, () => {
    const clock = new VirtualClock();
    return { clock: wrapped(clock), pass: (ms) => clock.advance(ms) };
  });
});
