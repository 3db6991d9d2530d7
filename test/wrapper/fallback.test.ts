import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { fallback } from '../../src/wrapper/fallback.js';
import { conform } from '../conformance/conform.js';
import { wrapperSuite, type WrapperSubject } from '../conformance/wrapper.js';
import { aCall, has, streamed, Wrapping } from '../support/wrapping.js';

const gone = new OctavoError('unavailable', 'gone');

async function read(body: unknown): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const item of body as AsyncIterable<unknown>) seen.push(item);
  return seen;
}

describe('fallback', () => {
  conform<WrapperSubject, typeof wrapperSuite>(test, wrapperSuite, () => ({
    wrapper: fallback({ to: () => 0 }),
  }));

  it('answers a client’s call instead of a service that is away', async () => {
    const wrappers = [fallback({ to: ({ code }, { endpoint }) => ({ text: `${code} ${endpoint}` }) })];
    await using app = await Wrapping.start({ client: { wrappers, retries: 0 } });
    app.probe.failures = 1;
    assert.equal((await app.client.once({})).text, 'unavailable Probe.Once');
    await assert.rejects(app.client.fail({ text: 'x' }), has('not_found'));
  });

  it('answers for a handler', async () => {
    await using app = await Wrapping.start({
      server: { wrappers: [fallback({ codes: ['not_found'], to: () => ({ text: 'nobody' }) })] },
    });
    assert.equal((await app.client.fail({ text: 'x' })).text, 'nobody');
  });

  it('gives the items of a stream, before the first one has come and not after', async () => {
    const clock = new VirtualClock();
    const subject = fallback({ to: () => [7, 8] });
    const open = async (...items: unknown[]): Promise<unknown[]> =>
      read((await subject(aCall(clock, { kind: 'server' }), streamed(...items))).body);
    assert.deepEqual(await open(gone), [7, 8]);
    assert.deepEqual(await open(1, 2), [1, 2]);
    await assert.rejects(open(1, gone), has('unavailable'));
    const refused = await subject(aCall(clock, { kind: 'bidi' }), () => Promise.reject(gone));
    assert.deepEqual(await read(refused.body), [7, 8]);
  });

  it('gives one reply where the request alone is a stream', async () => {
    await using app = await Wrapping.start({
      client: {
        wrappers: [
          fallback({ codes: ['not_found', 'unimplemented'], to: () => ({ text: 'none', count: 1 }) }),
        ],
      },
    });
    const stream = app.service.client.stream({
      service: 'probe',
      endpoint: 'Probe.Nothing',
      kind: 'client',
      body: [],
    });
    assert.deepEqual(await stream.receive(), { text: 'none', count: 1 });
    assert.equal(await stream.receive(), undefined);
  });

  it('does nothing for a call that nobody waits for', async () => {
    const clock = new VirtualClock();
    const call = aCall(clock);
    call.context.cancel(gone);
    await assert.rejects(
      fallback({ to: () => 1 })(call, () => Promise.reject(gone)),
      has('unavailable'),
    );
  });

  it('does not stand around attempts', async () => {
    await assert.rejects(
      Wrapping.start({ client: { callWrappers: [fallback({ to: () => 1 })] } }),
      has('failed_precondition'),
    );
  });
});
