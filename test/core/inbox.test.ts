import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inbox } from '../../src/core/inbox.js';

describe('an inbox', () => {
  it('gives what waits at once, in order, and then waits for more', async () => {
    const inbox = new Inbox<number>(10);
    inbox.push(1);
    inbox.push(2);
    assert.deepEqual([inbox.take(), inbox.take()], [1, 2]);
    const waiting = inbox.take();
    inbox.push(3);
    assert.equal(await waiting, 3);
  });

  it('measures its room in what items weigh', () => {
    let drained = 0;
    const inbox = new Inbox<number>(
      10,
      () => drained++,
      undefined,
      (item) => item,
    );
    assert.deepEqual([inbox.push(4), inbox.push(5), inbox.push(100)], [true, true, false]);
    assert.deepEqual([inbox.take(), inbox.take(), drained], [4, 5, 0]);
    assert.deepEqual([inbox.take(), drained], [100, 1]);
    assert.deepEqual([inbox.push(9), inbox.push(1)], [true, false]);
  });

  it('says when it is full, keeps what came all the same, and tells when half is free', () => {
    let drained = 0;
    const inbox = new Inbox<number>(4, () => drained++);
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((each) => inbox.push(each)),
      [true, true, true, false, false],
    );
    assert.deepEqual([inbox.take(), inbox.take()], [1, 2]);
    assert.equal(drained, 0);
    assert.equal(inbox.take(), 3);
    assert.equal(drained, 1);
    assert.deepEqual([inbox.take(), inbox.take()], [4, 5]);
    assert.equal(drained, 1);
  });

  it('gives what waits before its end, and before its error', async () => {
    const fine = new Inbox<number>(10);
    fine.push(1);
    fine.end();
    fine.push(2);
    assert.deepEqual([fine.take(), fine.take(), fine.take()], [1, undefined, undefined]);
    const broken = new Inbox<number>(10);
    broken.push(1);
    broken.end(new Error('broke'));
    assert.equal(broken.take(), 1);
    assert.throws(() => broken.take(), /broke/);
    const waiting = new Inbox<number>(10);
    const rejected = assert.rejects(async () => waiting.take(), /broke/);
    waiting.end(new Error('broke'));
    await rejected;
  });

  it('is left by breaking out of its loop, and tells so once', async () => {
    let left = 0;
    const inbox = new Inbox<number>(10, undefined, () => left++);
    for (const each of [1, 2, 3]) inbox.push(each);
    for await (const _ of inbox) break;
    await inbox.return();
    assert.deepEqual([left, inbox.length, inbox.ended], [1, 0, true]);
  });

  it('refuses a second take while one waits, and the first goes on', async () => {
    const inbox = new Inbox<number>(10);
    const first = inbox.take();
    assert.throws(() => inbox.take(), /a receive waits already/);
    inbox.push(1);
    assert.equal(await first, 1);
    assert.equal(inbox.length, 0);
  });

  it('ends a take that waits when its consumer leaves', async () => {
    const inbox = new Inbox<number>(10);
    const waiting = inbox.take();
    await inbox.return();
    assert.equal(await waiting, undefined);
  });

  it('does not tell that its consumer left when it had ended before', async () => {
    const inbox = new Inbox<number>(10, undefined, () => assert.fail('it was told'));
    inbox.push(1);
    inbox.end();
    for await (const _ of inbox) break;
    await inbox.return();
    assert.equal(inbox.take(), undefined);
  });

  it('ends once: neither a second end nor an error changes the first', () => {
    const inbox = new Inbox<number>(10);
    inbox.end();
    inbox.end(new Error('too late'));
    assert.equal(inbox.take(), undefined);
  });

  it('keeps order while items come and go', () => {
    const inbox = new Inbox<number>(1_000);
    let next = 0;
    for (let n = 0; n < 1_000; n++) {
      inbox.push(n);
      if (n % 3 !== 0) assert.equal(inbox.take(), next++);
    }
    assert.equal(inbox.length, 1_000 - next);
    while (inbox.length > 0) assert.equal(inbox.take(), next++);
    assert.equal(next, 1_000);
  });

  it('keeps order through many items', async () => {
    const inbox = new Inbox<number>(1_000);
    for (let n = 0; n < 500; n++) inbox.push(n);
    inbox.end();
    const seen: number[] = [];
    for await (const each of inbox) seen.push(each);
    assert.deepEqual(
      seen,
      Array.from({ length: 500 }, (_, n) => n),
    );
  });
});
