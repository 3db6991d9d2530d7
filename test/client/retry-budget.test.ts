import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RetryBudget } from '../../src/client/calling/retry-budget.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

function take(budget: RetryBudget, service: string): number {
  let taken = 0;
  while (taken < 1_000 && budget.take(service)) taken++;
  return taken;
}

describe('RetryBudget', () => {
  it('allows a few retries however few calls there are', () => {
    assert.equal(take(new RetryBudget(new VirtualClock()), 'greeter'), 10);
  });

  it('allows a fifth of the calls of the window', () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget(clock);
    for (let n = 0; n < 500; n++) budget.call('greeter', clock.now());
    assert.equal(take(budget, 'greeter'), 100);
  });

  it('counts each service for itself', () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget(clock);
    for (let n = 0; n < 500; n++) budget.call('greeter', clock.now());
    assert.equal(take(budget, 'other'), 10);
    assert.equal(take(budget, 'greeter'), 100);
  });

  it('forgets what is older than the window, a part at a time', async () => {
    const clock = new VirtualClock();
    const budget = new RetryBudget(clock, { windowMs: 1_000, minimum: 2, ratio: 0.5 });
    for (let n = 0; n < 10; n++) budget.call('greeter', clock.now());
    assert.equal(take(budget, 'greeter'), 5);
    await clock.advance(500);
    for (let n = 0; n < 4; n++) budget.call('greeter', clock.now());
    // Seven of fourteen, of which five are gone.
    assert.equal(take(budget, 'greeter'), 2);
    await clock.advance(600);
    // Two of the four calls that are left, and two retries that are.
    assert.equal(take(budget, 'greeter'), 0);
    await clock.advance(60_000);
    assert.equal(take(budget, 'greeter'), 2);
  });
});
