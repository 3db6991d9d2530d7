import assert from 'node:assert/strict';
import { OctavoError } from '../../../src/core/error.js';
import { EMPTY, type Message } from '../../../src/core/message.js';
import type { Socket, Transport } from '../../../src/transport/transport.js';
import type { Suite } from '../conform.js';
import { ANY, answering, call, echo, fails, later, message, text } from './talk.js';

/** The promises of sockets that carry one message each way. */
export const callSuite = {
  'a message arrives with its header and body': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const bytes = Uint8Array.from({ length: 256 }, (__, at) => at);
    const reply = await call(transport, listener, message(bytes, { 'Foo-Bar': 'é 日本', Many: ['a', 'b'] }));
    assert.deepEqual([...(reply?.body ?? [])], [...bytes]);
    assert.equal(reply?.header.get('foo-bar'), 'é 日本');
    assert.deepEqual(reply?.header.getAll('MANY'), ['a', 'b']);
  },
  'a body of no bytes arrives': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    assert.equal((await call(transport, listener, message(EMPTY)))?.body.length, 0);
  },
  'what a sender changes afterwards is not seen': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const sent = message('x', { Foo: 'before' });
    const socket = await transport.dial(listener.address);
    const sending = socket.send(sent);
    sent.header.set('Foo', 'after');
    await sending;
    assert.equal((await socket.receive())?.header.get('Foo'), 'before');
    socket.close();
  },
  'a body that was kept stays as it came': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const kept: (Message | undefined)[] = [];
    const bodies = Array.from({ length: 50 }, (__, n) => `<${n}>`.repeat(n));
    for (const body of bodies) kept.push(await call(transport, listener, message(body)));
    assert.deepEqual(kept.map(text), bodies);
  },
  'where messages are taken without promises, they come, and the end of a socket does': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const socket = await transport.dial(listener.address);
    if (socket.receiveInto === undefined) return socket.close();
    const told = later<string | undefined>();
    await socket.send(message('x'));
    socket.receiveInto({ received: (it) => told.resolve(text(it)), failed: () => told.resolve('failed') });
    assert.equal(await told.promise, 'x');
    socket.close();
    const ends: unknown[] = [];
    socket.receiveInto({ received: (it) => ends.push(it), failed: (reason) => ends.push(reason) });
    assert.deepEqual(ends, [undefined]);
  },
  'a hundred calls one after the other get their own replies': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    for (let n = 0; n < 100; n++)
      assert.equal(text(await call(transport, listener, message(`<${n}>`))), `<${n}>`);
  },
  'sixty-four calls at once get their own replies': async (transport) => {
    const listener = await transport.listen(ANY, echo);
    const calls = Array.from({ length: 64 }, (__, n) => call(transport, listener, message(`<${n}>`)));
    assert.deepEqual(
      (await Promise.all(calls)).map(text),
      calls.map((__, n) => `<${n}>`),
    );
  },
  'a call that may be run more than once is run once where nothing is lost': async (transport) => {
    let runs = 0;
    const listener = await transport.listen(ANY, (socket) => {
      runs++;
      echo(socket);
    });
    const socket = await transport.dial(listener.address, { idempotent: true });
    await socket.send(message('again'));
    assert.equal(text(await socket.receive()), 'again');
    socket.close();
    assert.equal(text(await call(transport, listener, message('other'))), 'other');
    assert.equal(runs, 2);
  },
  'a socket is accepted when its first message is there': async (transport) => {
    const first = later<string | undefined>();
    const listener = await transport.listen(ANY, (socket) => {
      const received = socket.receive();
      first.resolve(received instanceof Promise ? 'not yet' : text(received));
      socket.close();
    });
    const socket = await transport.dial(listener.address);
    await socket.send(message('here'));
    assert.equal(await first.promise, 'here');
    socket.close();
  },
  'a socket that sends nothing is never accepted': async (transport) => {
    const accepted: (string | undefined)[] = [];
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        accepted.push(text(await socket.receive()));
        await socket.send(message('answer'));
        socket.close();
      }),
    );
    (await transport.dial(listener.address)).close();
    (await transport.dial(listener.address)).close();
    await call(transport, listener, message('the only one'));
    assert.deepEqual(accepted, ['the only one']);
  },
  'a caller that closes before the reply ends the socket at the other end': async (transport) => {
    const gone = later<void>();
    const here = later<void>();
    const listener = await transport.listen(ANY, (socket) => {
      here.resolve();
      socket.onClose(() => gone.resolve());
    });
    const socket = await transport.dial(listener.address);
    await socket.send(message('x'));
    await here.promise;
    socket.close();
    await gone.promise;
  },
  'an answer after the caller left harms nobody': async (transport) => {
    const left = later<void>();
    const answered = later<void>();
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        if (text(await socket.receive()) === 'leave') {
          await left.promise;
          await socket.send(message('too late'));
          answered.resolve();
        } else await socket.send(message('fine'));
        socket.close();
      }),
    );
    const socket = await transport.dial(listener.address);
    await socket.send(message('leave'));
    socket.close();
    left.resolve();
    await answered.promise;
    assert.equal(text(await call(transport, listener, message('next'))), 'fine');
  },
  'a call that is cut off is unavailable, and others are not': async (transport) => {
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        const received = await socket.receive();
        if (received === undefined || text(received) === 'cut')
          return socket.close(new OctavoError('aborted', 'enough of this'));
        await socket.send(received);
        socket.close();
      }),
    );
    const others = Array.from({ length: 8 }, (__, n) => call(transport, listener, message(`<${n}>`)));
    await fails(() => call(transport, listener, message('cut')), 'unavailable');
    assert.deepEqual(
      (await Promise.all(others)).map(text),
      others.map((__, n) => `<${n}>`),
    );
  },
  'connections are counted, where any are kept: open, idle, waited for and accepted': async (
    transport,
    fresh,
  ) => {
    if (transport.stats === undefined) return;
    const none = { open: 0, idle: 0, waiting: 0, accepted: 0 };
    assert.deepEqual((await fresh()).stats?.(), none);
    const accepted = later<Socket>();
    const listener = await transport.listen(ANY, (it) => accepted.resolve(it));
    assert.deepEqual(transport.stats(), none);
    const socket = await transport.dial(listener.address);
    await socket.send(message('x'));
    const other = await accepted.promise;
    assert.deepEqual(transport.stats(), { open: 1, idle: 0, waiting: 0, accepted: 1 });
    await other.receive();
    await other.send(message('y'));
    other.close();
    await socket.receive();
    socket.close();
    while (transport.stats().idle === 0) await new Promise(setImmediate);
    assert.deepEqual(transport.stats(), { open: 1, idle: 1, waiting: 0, accepted: 1 });
    await transport.stop();
    assert.deepEqual(transport.stats(), none);
  },
} satisfies Suite<Transport>;
