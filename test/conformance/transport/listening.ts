import assert from 'node:assert/strict';
import { OctavoError } from '../../../src/core/error.js';
import { isPromise } from '../../../src/core/lifecycle.js';
import type { Message } from '../../../src/core/message.js';
import type { Socket, Transport } from '../../../src/transport/transport.js';
import type { Suite } from '../conform.js';
import { ANY, answering, call, echo, fails, later, message, text } from './talk.js';

/** Answers each message with one and the same. */
function saying(body: string): (socket: Socket) => void {
  return answering(async (socket) => {
    await socket.receive();
    await socket.send(message(body));
    socket.close();
  });
}

/** The promises about addresses, and about beginning and end of a transport. */
export const listeningSuite = {
  'stopping twice, and a start after a stop, are fine': async (transport) => {
    await transport.stop();
    await transport.stop();
    await transport.start();
    const listener = await transport.listen(ANY, echo);
    assert.equal(text(await call(transport, listener, message('again'))), 'again');
  },
  'stopping without a start is fine': async (_, fresh) => {
    await (await fresh()).stop();
  },
  'both ends have addresses': async (transport) => {
    const far = later<Socket>();
    const listener = await transport.listen(ANY, (socket) => {
      far.resolve(socket);
      echo(socket);
    });
    const socket = await transport.dial(listener.address);
    await socket.send(message('x'));
    for (const end of [socket, await far.promise]) assert.ok(end.local !== '' && end.remote !== '');
    assert.equal(socket.remote, listener.address);
    await socket.receive();
    socket.close();
  },
  'listeners of one transport are apart': async (transport) => {
    const one = await transport.listen(ANY, saying('one'));
    const other = await transport.listen(ANY, saying('other'));
    assert.notEqual(one.address, other.address);
    assert.equal(text(await call(transport, one, message('x'))), 'one');
    await one.close();
    assert.equal(text(await call(transport, other, message('x'))), 'other');
  },
  'what crosses the end of a listener is answered, or was never sent: between Octavo peers': async (
    transport,
  ) => {
    const octavo = (body: string): Message => message(body, { Octavo: '1' });
    for (let round = 0; round < 50; round++) {
      const listener = await transport.listen(ANY, echo);
      // The first leaves a connection that is free, where there are connections.
      await call(transport, listener, octavo('first'));
      const closed = listener.close();
      // Now, a moment later, and when it has closed.
      for (let turn = 0; turn < round % 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      const outcome = await call(transport, listener, octavo('crossing')).then(
        text,
        (reason: unknown) => reason,
      );
      if (outcome instanceof OctavoError) assert.equal(outcome.executed, false, outcome.message);
      else assert.equal(outcome, 'crossing');
      await closed;
    }
  },
  'another transport reaches it, and is cut off when it stops': async (transport, fresh) => {
    const other = await fresh();
    await other.start();
    const gone = later<void>();
    const here = later<void>();
    const listener = await transport.listen(ANY, (socket) => {
      socket.onClose(() => gone.resolve());
      here.resolve();
    });
    const socket = await other.dial(listener.address);
    await socket.send(message('x'));
    await here.promise;
    const received = fails(() => socket.receive(), 'unavailable');
    await transport.stop();
    await Promise.all([gone.promise, received]);
    await fails(() => call(other, listener, message('x')), 'unavailable');
  },
  'a call where nobody listens is unavailable, and was not executed': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => socket.close());
    await listener.close();
    await assert.rejects(
      call(transport, listener, message('x')),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable' && reason.executed === false,
    );
  },
  'dialling for a call that is cancelled gives its reason': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const cancelled = new OctavoError('cancelled', 'given up');
    await assert.rejects(
      async () => transport.dial(listener.address, { cancellation: { cancelled, onCancel: () => () => {} } }),
      cancelled,
    );
  },
  'a call that is cancelled while it is dialled gives its reason, or has its socket': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const reason = new OctavoError('cancelled', 'given up');
    const listeners = new Set<(reason: OctavoError) => void>();
    const onCancel = (tell: (reason: OctavoError) => void): (() => void) => {
      listeners.add(tell);
      return () => void listeners.delete(tell);
    };
    const dialling = transport.dial(listener.address, { cancellation: { cancelled: undefined, onCancel } });
    for (const tell of listeners) tell(reason);
    if (isPromise(dialling)) await assert.rejects(dialling, reason);
    else dialling.close();
    assert.equal(text(await call(transport, listener, message('next'))), 'next');
  },
  'an address in use is named': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    await assert.rejects(
      transport.listen(listener.address, () => {}),
      (reason) =>
        reason instanceof OctavoError &&
        reason.code === 'unavailable' &&
        reason.message.includes(listener.address),
    );
  },
  'an address in use is no other transport’s to take': async (transport, fresh) => {
    const other = await fresh();
    await other.start();
    const listener = await transport.listen(ANY, saying('mine'));
    await fails(() => other.listen(listener.address, saying('stolen')), 'unavailable');
    for (const each of [transport, other])
      assert.equal(text(await call(each, listener, message('x'))), 'mine');
  },
  'an address that was given back can be taken again': async (transport) => {
    const first = await transport.listen(ANY, saying('first'));
    await first.close();
    const second = await transport.listen(first.address, saying('second'));
    assert.equal(second.address, first.address);
    await first.close();
    assert.equal(text(await call(transport, second, message('x'))), 'second');
  },
  'a listener that closes takes no more, and a call that is open is answered': async (transport) => {
    const here = later<Socket>();
    const listener = await transport.listen(ANY, here.resolve);
    const socket = await transport.dial(listener.address);
    await socket.send(message('before'));
    const far = await here.promise;
    const received = await far.receive();
    await listener.close();
    await listener.close();
    await fails(() => call(transport, listener, message('x')), 'unavailable');
    await far.send(received ?? message('nothing came'));
    far.close();
    assert.equal(text(await socket.receive()), 'before');
    socket.close();
  },
  'stopping cuts calls that are open, at both ends': async (transport) => {
    const here = later<Socket>();
    const listener = await transport.listen(ANY, here.resolve);
    const near = await transport.dial(listener.address);
    await near.send(message('x'));
    const ends = [near, await here.promise].map((end) => {
      const { promise, resolve } = later<unknown>();
      end.onClose(resolve);
      return promise;
    });
    const received = fails(() => near.receive(), 'unavailable');
    await transport.stop();
    await Promise.all([...ends, received]);
  },
  'stopping cuts what is being dialled': async (transport, fresh) => {
    const other = await fresh();
    await other.start();
    const { address } = await other.listen(ANY, echo);
    const dialling = transport.dial(address);
    // It may be given up before anybody waits for it.
    if (isPromise(dialling)) dialling.catch(() => {});
    await transport.stop();
    const answer = (async () => {
      const socket = await dialling;
      await socket.send(message('x'));
      return socket.receive();
    })();
    await fails(() => answer, 'unavailable');
  },
} satisfies Suite<Transport>;
