import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { Refusals } from '../../src/core/refusals.js';

const malformed = new OctavoError('invalid_argument', 'no HTTP');
const late = new OctavoError('deadline_exceeded', 'late');

function fresh(): { clock: VirtualClock; logger: TestLogger; refusals: Refusals } {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  return { clock, logger, refusals: new Refusals(clock, logger) };
}

describe('what peers were refused', () => {
  it('is logged once a minute for each source and code, with the number of those that were not', async () => {
    const { clock, logger, refusals } = fresh();
    for (let n = 0; n < 10; n++) refusals.note('10.0.0.1', malformed);
    refusals.note('10.0.0.1', late);
    refusals.note('10.0.0.2', malformed);
    await clock.advance(59_999);
    refusals.note('10.0.0.1', malformed);
    await clock.advance(1);
    refusals.note('10.0.0.1', malformed);
    refusals.note('10.0.0.2', malformed);
    assert.deepEqual(
      logger.records.map(({ level, fields }) => [
        level,
        fields['source'],
        fields['error'],
        fields['unlogged'],
      ]),
      [
        ['warn', '10.0.0.1', malformed, undefined],
        ['warn', '10.0.0.1', late, undefined],
        ['warn', '10.0.0.2', malformed, undefined],
        ['warn', '10.0.0.1', malformed, 10],
        ['warn', '10.0.0.2', malformed, undefined],
      ],
    );
  });

  it('is logged for as many sources as are remembered, and for others when their minute is over', async () => {
    const { clock, logger, refusals } = fresh();
    const all = (): void => {
      for (let n = 0; n < 5_000; n++) refusals.note(`host-${n}`, malformed);
    };
    all();
    assert.equal(logger.records.length, 1_024);
    all();
    assert.equal(logger.records.length, 1_024);
    await clock.advance(60_000);
    all();
    assert.equal(logger.records.length, 2_048);
  });
});
