import assert from 'node:assert/strict';
import { OctavoError } from '../../../src/core/error.js';
import type { Socket, Transport } from '../../../src/transport/transport.js';
import type { Suite } from '../conform.js';
import { ANY, bothEnds, call, echoAll, fails, item, later, message, rest, text } from './talk.js';

/** How many messages of 64 KiB nobody reads before their sender must have been told to wait. */
const MOST_UNREAD = 1_000;

/** How long a cut may take to be noticed, however much is under way. */
const NOTICED_MS = 1_000;

/** Sends until it is told to wait and nothing changes that, and then lets the other end read. */
async function outrun(from: Socket, to: Socket): Promise<void> {
  const body = Buffer.alloc(64 * 1024);
  let sent = 0;
  let waiting: Promise<void> | undefined;
  while (waiting === undefined && sent < MOST_UNREAD) {
    const sending = from.send(item(body));
    sent++;
    if (!(sending instanceof Promise)) continue;
    const soon = new Promise<'soon'>((resolve) => setTimeout(resolve, 100, 'soon'));
    if ((await Promise.race([sending, soon])) === 'soon') waiting = sending;
  }
  assert.ok(waiting !== undefined, `it took ${MOST_UNREAD} messages in`);
  for (let n = 0; n < sent; n++) assert.equal((await to.receive())?.body.length, body.length);
  await waiting;
  from.close();
  to.close();
}

/** Sends until everything between the two ends is full, and cuts: the other end must hear of it though it receives nothing. */
async function cutWhileUnread(from: Socket, to: Socket): Promise<void> {
  const gone = later<'gone'>();
  to.onClose(() => gone.resolve('gone'));
  const body = Buffer.alloc(64 * 1024);
  for (let sent = 0; sent < MOST_UNREAD; sent++) {
    const soon = new Promise<'soon'>((resolve) => setTimeout(resolve, 100, 'soon'));
    if ((await Promise.race([from.send(item(body)), soon])) === 'soon') break;
  }
  from.close(new OctavoError('cancelled', 'enough'));
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, NOTICED_MS, 'late'));
  assert.equal(await Promise.race([gone.promise, late]), 'gone');
  to.close();
}

/** The promises of sockets that carry many messages. */
export const streamSuite = {
  'dialling for a stream where nobody listens is unavailable, and was not executed': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => socket.close());
    await listener.close();
    await assert.rejects(
      async () => transport.dial(listener.address, { stream: true }),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable' && reason.executed === false,
    );
  },
  'a listener that closes takes no more, and what is open goes on': async (transport) => {
    const listener = await transport.listen(ANY, echoAll);
    const socket = await transport.dial(listener.address, { stream: true });
    await socket.send(item('before'));
    assert.equal(text(await socket.receive()), 'before');
    await listener.close();
    await listener.close();
    await socket.send(item('after'));
    assert.equal(text(await socket.receive()), 'after');
    socket.close();
    await fails(() => call(transport, listener, message('x')), 'unavailable');
  },
  'who takes a message without a promise is told of a cut, and that somebody waits already': async (
    transport,
  ) => {
    const { near, far } = await bothEnds(transport);
    if (far.receiveInto === undefined) return near.close();
    const told = later<unknown>();
    const receiver = { received: told.resolve, failed: told.resolve };
    far.receiveInto(receiver);
    assert.throws(
      () => far.receiveInto?.(receiver),
      (reason) => reason instanceof OctavoError && reason.code === 'failed_precondition',
    );
    near.close(new OctavoError('cancelled', 'enough'));
    const reason = await told.promise;
    assert.ok(reason instanceof OctavoError && reason.code === 'unavailable', String(reason));
    far.close();
  },
  'stopping cuts what is open, dialled and accepted': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const ends = [near, far].map((end) => {
      const { promise, resolve } = later<unknown>();
      end.onClose(resolve);
      return promise;
    });
    await transport.stop();
    await Promise.all(ends);
  },
  'a stream carries many messages both ways, in order': async (transport) => {
    const listener = await transport.listen(ANY, echoAll);
    const socket = await transport.dial(listener.address, { stream: true });
    const sending = (async () => {
      for (let n = 0; n < 500; n++) await socket.send(item(String(n)));
    })();
    for (let n = 0; n < 500; n++) assert.equal(text(await socket.receive()), String(n));
    await sending;
    socket.close();
  },
  'many streams at once carry what is theirs': async (transport) => {
    const listener = await transport.listen(ANY, echoAll);
    const one = async (stream: string): Promise<void> => {
      const socket = await transport.dial(listener.address, { stream: true });
      for (let n = 0; n < 50; n++) {
        await socket.send(item(`${stream}/${n}`, stream));
        if (n % 3 === 0) assert.equal(text(await socket.receive()), `${stream}/${n / 3}`);
      }
      for (let n = 17; n < 50; n++) assert.equal(text(await socket.receive()), `${stream}/${n}`);
      socket.close();
    };
    await Promise.all(Array.from({ length: 16 }, (__, n) => one(`stream ${n}`)));
  },
  'either end may send while the other says nothing': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const bodies = Array.from({ length: 200 }, (__, n) => String(n));
    const sending = (async () => {
      for (const body of bodies) await far.send(item(body));
      far.close();
    })();
    assert.deepEqual(await rest(near), bodies);
    await sending;
    near.close();
  },
  'a sender is told to wait while nobody receives, and goes on when somebody does': async (transport) => {
    const { near, far } = await bothEnds(transport);
    await outrun(near, far);
  },
  'the end that was dialled is told to wait, too': async (transport) => {
    const { near, far } = await bothEnds(transport);
    await outrun(far, near);
  },
  'a sender that waits is let go when the other end closes': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const closed = later<void>();
    near.onClose(() => closed.resolve());
    let waiting: Promise<void> | undefined;
    for (let n = 0; n < MOST_UNREAD && waiting === undefined; n++) {
      const sending = near.send(item(Buffer.alloc(64 * 1024)));
      if (sending instanceof Promise) waiting = sending;
    }
    far.close(new OctavoError('aborted', 'too much'));
    await Promise.all([waiting, closed.promise]);
    near.close();
  },
  'an orderly close gives the other end what was sent, then the end': async (transport) => {
    const { near, far } = await bothEnds(transport);
    for (const body of ['a', 'b', 'c']) await near.send(item(body));
    near.close();
    assert.deepEqual(await rest(far), ['a', 'b', 'c']);
    assert.equal(await far.receive(), undefined);
    far.close();
  },
  'an orderly close by the end that was dialled is one, too': async (transport) => {
    const { near, far } = await bothEnds(transport);
    for (const body of ['a', 'b', 'c']) await far.send(item(body));
    far.close();
    assert.deepEqual(await rest(near), ['a', 'b', 'c']);
    near.close();
  },
  'a close at the other end ends a receive that waits': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const waiting = near.receive();
    far.close();
    assert.equal(await waiting, undefined);
    near.close();
  },
  'closing with an error cuts the other end off, and tells it': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const gone = later<void>();
    far.onClose(() => gone.resolve());
    near.close(new OctavoError('cancelled', 'enough'));
    await gone.promise;
  },
  'a cut is noticed by an end that receives nothing, whatever waits for it': async (transport) => {
    const { near, far } = await bothEnds(transport);
    await cutWhileUnread(near, far);
  },
  'a cut by the end that was dialled is noticed, too': async (transport) => {
    const { near, far } = await bothEnds(transport);
    await cutWhileUnread(far, near);
  },
  'onClose is called once, also when it is asked for afterwards': async (transport) => {
    const { near, far } = await bothEnds(transport);
    let calls = 0;
    near.onClose(() => assert.fail('another took its place'));
    near.onClose(() => calls++);
    near.close();
    near.close();
    assert.equal(calls, 1);
    near.onClose(() => calls++);
    assert.equal(calls, 2);
    far.close();
  },
  'onClose gives no error for an orderly end': async (transport) => {
    const { near, far } = await bothEnds(transport);
    const ends = [near, far].map((end) => {
      const { promise, resolve } = later<OctavoError | undefined>();
      end.onClose(resolve);
      return promise;
    });
    near.close();
    assert.deepEqual(await Promise.all(ends), [undefined, undefined]);
    far.close();
  },
  'what is sent after the close is dropped, and a receive gives the end': async (transport) => {
    const { near, far } = await bothEnds(transport);
    near.close();
    await near.send(item('late'));
    assert.equal(await near.receive(), undefined);
    assert.deepEqual(await rest(far), []);
    far.close();
  },
} satisfies Suite<Transport>;
