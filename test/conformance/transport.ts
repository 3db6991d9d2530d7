import assert from 'node:assert/strict';
import { OctavoError } from '../../src/core/error.js';
import type { MaybePromise } from '../../src/core/lifecycle.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata, type MetadataInit } from '../../src/core/metadata.js';
import { MESSAGE_LIMITS, type Listener, type Socket, type Transport } from '../../src/transport/transport.js';
import type { Suite } from './conform.js';

/** Any free address, for transports that take `host:port`. */
const ANY = '127.0.0.1:0';

function message(body: string | Uint8Array, header: MetadataInit = {}): Message {
  return {
    header: new Metadata(header).set('Micro-Service', 'x'),
    body: typeof body === 'string' ? Buffer.from(body) : body,
  };
}

/** A message of a stream. */
function item(body: string | Uint8Array): Message {
  return message(body, { 'Micro-Stream': '1' });
}

function text(received: Message | undefined): string | undefined {
  return received === undefined ? undefined : Buffer.from(received.body).toString();
}

/** What a listener does with a socket, by and by. */
function answering(answer: (socket: Socket) => Promise<void>): (socket: Socket) => void {
  return (socket) => void answer(socket);
}

/** Answers one message by itself and closes. */
async function echo(socket: Socket): Promise<void> {
  const received = await socket.receive();
  if (received !== undefined) await socket.send(received);
  socket.close();
}

/** Answers every message of a stream until the other end closes. */
async function echoAll(socket: Socket): Promise<void> {
  for (let received = await socket.receive(); received !== undefined; received = await socket.receive())
    await socket.send(received);
  socket.close();
}

async function call(
  transport: Transport,
  { address }: Listener,
  sent: Message,
): Promise<Message | undefined> {
  const socket = await transport.dial(address);
  try {
    await socket.send(sent);
    return await socket.receive();
  } finally {
    socket.close();
  }
}

function fails(run: () => MaybePromise<unknown>, code: string): Promise<void> {
  return assert.rejects(
    async () => run(),
    (reason) => reason instanceof OctavoError && reason.code === code,
  );
}

/** A promise and what resolves it. */
function later<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** The promises of `Transport`, `Socket` and `Listener`. A subject must know no stricter limits than the default ones. */
export const transportSuite = {
  'stopping twice, and a start after a stop, are fine': async (transport) => {
    await transport.stop();
    await transport.stop();
    await transport.start();
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    assert.equal(text(await call(transport, listener, message('again'))), 'again');
  },
  'stopping without a start is fine': async (_, fresh) => {
    await (await fresh()).stop();
  },
  'a message arrives with its header and body': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const bytes = Uint8Array.from({ length: 256 }, (__, at) => at);
    const reply = await call(transport, listener, message(bytes, { 'Foo-Bar': 'é 日本', Many: ['a', 'b'] }));
    assert.deepEqual([...(reply?.body ?? [])], [...bytes]);
    assert.equal(reply?.header.get('foo-bar'), 'é 日本');
    assert.deepEqual(reply?.header.getAll('MANY'), ['a', 'b']);
  },
  'a body of no bytes arrives': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    assert.equal((await call(transport, listener, message(EMPTY)))?.body.length, 0);
  },
  'what a sender changes afterwards is not seen': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const sent = message('x', { Foo: 'before' });
    const socket = await transport.dial(listener.address);
    const sending = socket.send(sent);
    sent.header.set('Foo', 'after');
    await sending;
    assert.equal((await socket.receive())?.header.get('Foo'), 'before');
    socket.close();
  },
  'a hundred calls one after the other get their own replies': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    for (let n = 0; n < 100; n++)
      assert.equal(text(await call(transport, listener, message(`<${n}>`))), `<${n}>`);
  },
  'sixty-four calls at once get their own replies': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const calls = Array.from({ length: 64 }, (__, n) => call(transport, listener, message(`<${n}>`)));
    assert.deepEqual(
      (await Promise.all(calls)).map(text),
      calls.map((__, n) => `<${n}>`),
    );
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
  'a stream carries many messages both ways, in order': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echoAll(socket));
    const socket = await transport.dial(listener.address, { stream: true });
    const sending = (async () => {
      for (let n = 0; n < 500; n++) await socket.send(item(String(n)));
    })();
    for (let n = 0; n < 500; n++) assert.equal(text(await socket.receive()), String(n));
    await sending;
    socket.close();
  },
  'a sender is told to wait while nobody receives, and goes on when somebody does': async (transport) => {
    const accepted = later<Socket>();
    const listener = await transport.listen(ANY, (socket) => accepted.resolve(socket));
    const socket = await transport.dial(listener.address, { stream: true });
    const body = Buffer.alloc(64 * 1024);
    let sent = 0;
    let waiting: Promise<void> | undefined;
    while (waiting === undefined && sent < 10_000) {
      const sending = socket.send(item(body));
      sent++;
      if (!(sending instanceof Promise)) continue;
      const soon = new Promise<'soon'>((resolve) => setTimeout(resolve, 100, 'soon'));
      if ((await Promise.race([sending, soon])) === 'soon') waiting = sending;
    }
    assert.ok(waiting !== undefined, 'it took 10,000 messages in');
    const far = await accepted.promise;
    for (let n = 0; n < sent; n++) assert.equal((await far.receive())?.body.length, body.length);
    await waiting;
    socket.close();
    far.close();
  },
  'an orderly close gives the other end what was sent, then the end': async (transport) => {
    const received: (string | undefined)[] = [];
    const done = later<void>();
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        let next: Message | undefined;
        do received.push(text((next = await socket.receive())));
        while (next !== undefined);
        socket.close();
        done.resolve();
      }),
    );
    const socket = await transport.dial(listener.address, { stream: true });
    for (const body of ['a', 'b', 'c']) await socket.send(item(body));
    socket.close();
    await done.promise;
    assert.deepEqual(received, ['a', 'b', 'c', undefined]);
  },
  'a close at the other end ends a receive that waits': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => socket.close());
    const socket = await transport.dial(listener.address, { stream: true });
    await socket.send(item('x'));
    assert.equal(await socket.receive(), undefined);
    socket.close();
  },
  'closing with an error cuts the other end off': async (transport) => {
    const gone = later<void>();
    const listener = await transport.listen(ANY, (socket) => socket.onClose(() => gone.resolve()));
    const socket = await transport.dial(listener.address, { stream: true });
    await socket.send(item('x'));
    socket.close(new OctavoError('cancelled', 'enough'));
    await gone.promise;
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
  'onClose is called once, also when it is asked for afterwards': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echoAll(socket));
    const socket = await transport.dial(listener.address, { stream: true });
    let calls = 0;
    socket.onClose(() => calls++);
    socket.close();
    socket.close();
    assert.equal(calls, 1);
    socket.onClose(() => calls++);
    assert.equal(calls, 2);
  },
  'what is sent after the close is dropped, and a receive gives the end': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echoAll(socket));
    const socket = await transport.dial(listener.address, { stream: true });
    socket.close();
    await socket.send(item('late'));
    assert.equal(await socket.receive(), undefined);
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
  'a message at the limit arrives, and one over it is refused to its sender': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const most = Buffer.alloc(transport.options.maxMessageBytes ?? MESSAGE_LIMITS.maxMessageBytes, 1);
    assert.equal((await call(transport, listener, message(most)))?.body.length, most.length);
    const socket = await transport.dial(listener.address);
    await fails(() => socket.send(message(Buffer.alloc(most.length + 1))), 'resource_exhausted');
    await socket.send(message('lives on'));
    assert.equal(text(await socket.receive()), 'lives on');
    socket.close();
  },
  'too many headers are refused to their sender': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const many = Array.from(
      { length: MESSAGE_LIMITS.maxHeaders + 1 },
      (__, n) => [`Name-${n}`, 'x'] as const,
    );
    const socket = await transport.dial(listener.address);
    await fails(() => socket.send(message('x', many)), 'resource_exhausted');
    socket.close();
  },
  'dialling where nobody listens is unavailable, and was not executed': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => socket.close());
    await listener.close();
    await assert.rejects(
      async () => transport.dial(listener.address),
      (reason) => reason instanceof OctavoError && reason.code === 'unavailable' && reason.executed === false,
    );
  },
  'dialling for a call that is cancelled gives its reason': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    const cancelled = new OctavoError('cancelled', 'given up');
    await assert.rejects(
      async () => transport.dial(listener.address, { cancellation: { cancelled, onCancel: () => () => {} } }),
      cancelled,
    );
  },
  'an address in use is named': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echo(socket));
    await assert.rejects(
      transport.listen(listener.address, () => {}),
      (reason) =>
        reason instanceof OctavoError &&
        reason.code === 'unavailable' &&
        reason.message.includes(listener.address),
    );
  },
  'a listener that closes takes no more, and what is open goes on': async (transport) => {
    const listener = await transport.listen(ANY, (socket) => void echoAll(socket));
    const socket = await transport.dial(listener.address, { stream: true });
    await socket.send(item('before'));
    assert.equal(text(await socket.receive()), 'before');
    await listener.close();
    await listener.close();
    await socket.send(item('after'));
    assert.equal(text(await socket.receive()), 'after');
    socket.close();
    await fails(() => transport.dial(listener.address), 'unavailable');
  },
  'stopping cuts what is open, dialled and accepted': async (transport) => {
    const gone = later<void>();
    const here = later<void>();
    const listener = await transport.listen(ANY, (socket) => {
      socket.onClose(() => gone.resolve());
      here.resolve();
    });
    const socket = await transport.dial(listener.address, { stream: true });
    const closed = later<void>();
    socket.onClose(() => closed.resolve());
    await socket.send(item('x'));
    await here.promise;
    await transport.stop();
    await Promise.all([gone.promise, closed.promise]);
  },
  'both ends have addresses': async (transport) => {
    const far = later<Socket>();
    const listener = await transport.listen(ANY, (socket) => {
      far.resolve(socket);
      void echo(socket);
    });
    const socket = await transport.dial(listener.address);
    await socket.send(message('x'));
    for (const end of [socket, await far.promise]) assert.ok(end.local !== '' && end.remote !== '');
    assert.equal(socket.remote, listener.address);
    await socket.receive();
    socket.close();
  },
} satisfies Suite<Transport>;
