import { describe, test } from 'node:test';
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
