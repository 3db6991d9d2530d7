import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pulse, type PulseInit } from '../../src/core/pulse.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

interface Seen {
  beats: number;
  silences: number;
  idles: number;
}

function pulse(times: Partial<PulseInit>): { clock: VirtualClock; pulse: Pulse; seen: Seen } {
  const clock = new VirtualClock();
  const seen: Seen = { beats: 0, silences: 0, idles: 0 };
  const made = new Pulse({
    clock,
    beatMs: 0,
    silenceMs: 0,
    idleMs: 0,
    beat: () => seen.beats++,
    silent: () => {
      seen.silences++;
      made.stop();
    },
    idle: () => {
      seen.idles++;
      made.stop();
    },
    ...times,
  });
  return { clock, pulse: made, seen };
}

describe('Pulse', () => {
  it('beats while nothing else is sent', async () => {
    const { clock, pulse: it, seen } = pulse({ beatMs: 100 });
    await clock.advance(350);
    assert.equal(seen.beats, 3);
    it.sent();
    await clock.advance(100);
    assert.equal(seen.beats, 3);
    await clock.advance(100);
    assert.equal(seen.beats, 4);
    it.stop();
    assert.equal(clock.pending, 0);
  });

  it('takes who is silent for dead, while something is waited for', async () => {
    const { clock, pulse: it, seen } = pulse({ silenceMs: 300 });
    await clock.advance(2_000);
    assert.equal(seen.silences, 0);
    it.listen();
    await clock.advance(250);
    it.heard();
    it.listen();
    await clock.advance(250);
    assert.equal(seen.silences, 0);
    await clock.advance(200);
    assert.equal(seen.silences, 1);
    assert.equal(clock.pending, 0);
  });

  it('ends what carries nothing, however much it beats', async () => {
    const { clock, pulse: it, seen } = pulse({ beatMs: 50, idleMs: 600 });
    await clock.advance(500);
    it.active();
    await clock.advance(500);
    assert.equal(seen.idles, 0);
    await clock.advance(200);
    assert.equal(seen.idles, 1);
    assert.ok(seen.beats > 10);
  });

  it('sets no timer where nothing is asked of it', () => {
    assert.equal(pulse({}).clock.pending, 0);
  });

  it('does not beat as often as a hostile peer asks', async () => {
    const { clock, pulse: it, seen } = pulse({ beatMs: 0.001 });
    await clock.advance(1_000);
    assert.equal(seen.beats, 50);
    it.stop();
  });
});
