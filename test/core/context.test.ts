import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Context, type ContextInit } from '../../src/core/context.js';
import { OctavoError } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const clock = new VirtualClock();

function context(init: Partial<ContextInit> = {}): Context {
  return new Context({
    service: 's',
    endpoint: 'A.B',
    clock,
    logger: new TestLogger(),
    metadata: () => new Metadata({ a: 'b' }),
    peer: { address: 'x', octavo: true },
    ...init,
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

  it('tells the others when one that listens throws, and logs what it threw', () => {
    const logger = new TestLogger();
    const it = context({ logger });
    const { signal } = it;
    let told = 0;
    it.onCancel(() => {
      throw new Error('a mistake');
    });
    it.onCancel(() => told++);
    it.cancel(REASON);
    assert.deepEqual([told, signal.aborted], [1, true]);
    assert.match(String(logger.records[0]?.fields['error']), /a mistake/);
  });

  it('tells all that follow, even where the first of them ends the call', () => {
    const it = context();
    const told: string[] = [];
    it.onCancel(() => it.end());
    it.onCancel(() => told.push('second'));
    it.onCancel(() => told.push('third'));
    it.cancel(REASON);
    assert.deepEqual(told, ['second', 'third']);
  });

  it('tells a follower once, also one that comes late, and not one that has left', () => {
    const it = context();
    const told: string[] = [];
    const followers = ['a', 'b', 'c'].map((name) => ({ cancelled: () => void told.push(name) }));
    for (const follower of followers) it.follow(follower);
    for (const follower of followers.slice(0, 2)) it.leave(follower);
    it.follow({ cancelled: () => void told.push('d') });
    it.cancel(REASON);
    it.follow({ cancelled: ({ message }) => void told.push(message) });
    it.leave(followers[2] ?? assert.fail());
    assert.deepEqual(told, ['c', 'd', 'enough']);
  });

  it('does not tell who was taken away by another that was told', () => {
    const it = context();
    let told = 0;
    it.onCancel(() => forget());
    const forget = it.onCancel(() => assert.fail('it was told'));
    it.onCancel(() => told++);
    it.cancel(REASON);
    forget();
    assert.equal(told, 1);
  });

  it('is inherited by what runs inside, and shadowed by another', async () => {
    const [outer, inner] = [context(), context()];
    await outer.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(
        inner.run(() => Context.current()),
        inner,
      );
      assert.equal(Context.current(), outer);
    });
  });

  it('logs with its service and endpoint', () => {
    const logger = new TestLogger();
    context({ logger }).log.info('x');
    assert.deepEqual(logger.records[0]?.fields, { service: 's', endpoint: 'A.B' });
  });

  it('has metadata of the reply only once somebody wants some', () => {
    const it = context();
    assert.equal(it.replied, undefined);
    assert.equal(it.reply, it.reply);
    assert.equal(it.replied, it.reply);
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
    assert.equal(context({ deadline: clock.now() + 50 }).remainingMs, 50);
    assert.equal(context({ deadline: clock.now() - 50 }).remainingMs, 0);
  });

  it('reads its metadata when it is first asked for', () => {
    const it = context();
    assert.equal(it.metadata.get('A'), 'b');
    assert.equal(it.metadata, it.metadata);
  });

  it('detaches into one with no deadline and a signal of its own', () => {
    const it = context({ deadline: clock.now() + 50 });
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
