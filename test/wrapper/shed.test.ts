import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { shed, type Shed, type ShedState } from '../../src/wrapper/shed.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, held, streamed, Wrapping } from '../support/wrapping.js';

const NAME = 'probe Probe.Echo';

function stateOf(subject: Shed): ShedState {
  const state = subject.states().get(NAME);
  assert.ok(state !== undefined);
  return state;
}

/** A service that so many callers ask all the time, and that takes so long for a call, for so many seconds. */
async function load(
  clock: VirtualClock,
  subject: Shed,
  callers: number,
  ms: number,
  seconds: number,
): Promise<void> {
  for (let spent = 0; spent < seconds * 1_000; spent += ms) {
    const calls = Array.from({ length: callers }, () =>
      subject(aCall(clock), async () => {
        await clock.sleep(ms);
        return { body: undefined };
      }).catch(() => {}),
    );
    await clock.advance(ms);
    await Promise.all(calls);
  }
}

describe('shed', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({ wrapper: shed() }));

  it('lets more in while calls take as long as usual', async () => {
    const clock = new VirtualClock();
    const subject = shed({ initial: 10, min: 2 });
    await load(clock, subject, 100, 100, 40);
    const { limit, usualMs } = stateOf(subject);
    assert.ok(limit > 30, `${limit}`);
    assert.equal(Math.round(usualMs), 100);
  });

  it('lets fewer in when they take longer, down to the least', async () => {
    const clock = new VirtualClock();
    const subject = shed({ initial: 100, min: 5, max: 100 });
    await load(clock, subject, 120, 50, 12);
    const before = stateOf(subject).limit;
    await load(clock, subject, 120, 1_000, 40);
    const { limit, refused } = stateOf(subject);
    assert.ok(before > 90 && limit < before / 2 && limit >= 5, `${before} ${limit}`);
    assert.ok(refused > 0);
  });

  it('does not change its mind over a few calls', async () => {
    const clock = new VirtualClock();
    const subject = shed({ initial: 50, min: 5 });
    await load(clock, subject, 4, 20, 10);
    await load(clock, subject, 4, 500, 10);
    assert.equal(stateOf(subject).limit, 50);
  });

  it('refuses what is over the limit, before the handler', async () => {
    const clock = new VirtualClock();
    const subject = shed({ initial: 2, min: 1 });
    const hold = held();
    const next = hold.next.bind(hold);
    const calls = [subject(aCall(clock), next), subject(aCall(clock), next)];
    await assert.rejects(subject(aCall(clock), next), has('resource_exhausted', { executed: false }));
    assert.deepEqual(stateOf(subject), { limit: 2, running: 2, refused: 1, usualMs: 0 });
    hold.release();
    hold.fail(new Error('no'));
    await Promise.allSettled(calls);
    assert.equal(stateOf(subject).running, 0);
  });

  it('has streams go through', async () => {
    const clock = new VirtualClock();
    const subject = shed({ initial: 1, min: 1 });
    for (let n = 0; n < 5; n++) await subject(aCall(clock, { kind: 'server' }), streamed(1));
    assert.equal(subject.states().size, 0);
  });

  it('around a server has each endpoint for itself', async () => {
    const subject = shed({ initial: 1, min: 1 });
    await using app = await Wrapping.start({ server: { wrappers: [subject] }, client: { retries: 0 } });
    const first = app.client.wait({});
    const release = await app.probe.waiting.next();
    await assert.rejects(app.client.wait({}), has('resource_exhausted', { executed: false }));
    assert.equal((await app.client.echo({ text: 'x' })).text, 'x');
    release();
    await first;
  });
});
