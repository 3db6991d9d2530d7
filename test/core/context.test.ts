import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const clock = new VirtualClock();

function context(deadline?: number): Context {
  return new Context({
    service: 's',
    endpoint: 'A.B',
    clock,
    logger: new TestLogger(),
    metadata: () => new Metadata({ a: 'b' }),
    peer: { address: 'x', octavo: true },
    deadline,
  });
}

const REASON = new OctavoError('cancelled', 'enough');

describe('a context', () => {
  it('is the current one in whatever it runs, after every await, and nowhere else', async () => {
    const [first, second] = [context(), context()];
    const look = async (): Promise<Context | undefined> => {
      await new Promise((resolve) => setImmediate(resolve));
      return Context.current();
    };
    assert.deepEqual(await Promise.all([first.run(look), second.run(look)]), [first, second]);
    assert.equal(Context.current(), undefined);
  });

  it('tells once why it was cancelled, in the order of listening', () => {
    const told: string[] = [];
    const it = context();
    it.onCancel(() => told.push('first'));
    const forget = it.onCancel(() => told.push('forgotten'));
    it.onCancel(({ message }) => told.push(message));
    forget();
    it.cancel(REASON);
    it.cancel(new OctavoError('internal', 'again'));
    it.onCancel(() => told.push('late'));
    assert.deepEqual(told, ['first', 'enough', 'late']);
    assert.equal(it.cancelled, REASON);
    assert.throws(() => it.throwIfCancelled(), REASON);
  });

  it('has one signal, which fires with the reason, also when it is touched afterwards', () => {
    const early = context();
    const { signal } = early;
    assert.equal(early.signal, signal);
    early.cancel(REASON);
    const late = context();
    late.cancel(REASON);
    for (const each of [signal, late.signal]) assert.deepEqual([each.aborted, each.reason], [true, REASON]);
  });

  it('cannot be cancelled after its end', () => {
    const it = context();
    it.onCancel(() => assert.fail('it was told'));
    it.end();
    it.cancel(REASON);
    assert.equal(it.cancelled, undefined);
    assert.equal(it.signal.aborted, false);
  });

  it('knows how long is left', () => {
    assert.equal(context().remainingMs, Infinity);
    assert.equal(context(clock.now() + 50).remainingMs, 50);
    assert.equal(context(clock.now() - 50).remainingMs, 0);
  });

  it('reads its metadata when it is first asked for', () => {
    const it = context();
    assert.equal(it.metadata.get('A'), 'b');
    assert.equal(it.metadata, it.metadata);
  });

  it('detaches into one with no deadline and a signal of its own', () => {
    const it = context(clock.now() + 50);
    it.principal = { subject: 'somebody' };
    const detached = it.detach();
    it.cancel(REASON);
    assert.deepEqual(
      [detached.deadline, detached.cancelled, detached.signal.aborted],
      [undefined, undefined, false],
    );
    assert.equal(detached.principal, it.principal);
  });
});
