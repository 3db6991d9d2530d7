import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { OctavoError, type Code } from '../../src/core/error.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { MESSAGE_LIMITS, type Listener, type Socket, type Transport } from '../../src/transport/transport.js';
import { UdpTransport, type UdpTransportOptions, type UdpTransportParts } from '../../src/transport/udp.js';
import {
  KIND,
  NO_TOKEN,
  readHead,
  readRest,
  writeDatagram,
  writeMessage,
  type Head,
} from '../../src/transport/udp/datagram.js';
import { Signal } from '../conformance/probe.js';
import { ANY, answering, call, echo, fails, later, message, text } from '../conformance/transport/talk.js';
import { BadNetwork } from '../support/bad-network.js';
import { parts } from '../support/parts.js';
import { portOf, RawUdp } from '../support/raw-udp.js';

/** What a test opened. */
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

function having<T extends { close(): unknown }>(it: T): T {
  opened.push(it);
  return it;
}

function started(options: UdpTransportOptions = {}, more: UdpTransportParts = parts()): UdpTransport {
  const transport = new UdpTransport(options, more);
  transport.start();
  having({ close: () => transport.stop() });
  return transport;
}

async function raw(): Promise<RawUdp> {
  return having(await RawUdp.open());
}

/** A listener of which a test knows the address only. */
function at(address: string): Listener {
  return { address, close: () => Promise.resolve() };
}

/** Makes a call that may be run more than once. */
async function ask(transport: Transport, address: string, sent: Message): Promise<Message | undefined> {
  const socket = await transport.dial(address, { idempotent: true });
  await socket.send(sent);
  return socket.receive();
}

/** Answers with what came, and counts what was run, by body. */
function counting(): { readonly runs: Map<string, number>; readonly accept: (socket: Socket) => void } {
  const runs = new Map<string, number>();
  const accept = answering(async (socket) => {
    const body = text(await socket.receive()) ?? '';
    runs.set(body, (runs.get(body) ?? 0) + 1);
    await socket.send(message(body));
    socket.close();
  });
  return { runs, accept };
}

function failing(code: Code, executed: false | undefined, ...words: string[]): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.deepEqual([reason.code, reason.executed], [code, executed], reason.message);
    for (const word of words) assert.ok(reason.message.includes(word), reason.message);
    return true;
  };
}

function headOf(bytes: Buffer): Head {
  const head = readHead(bytes);
  assert.ok(head !== undefined);
  return head;
}

function isCall(bytes: Buffer): boolean {
  const { kind } = headOf(bytes);
  return kind === KIND.call || kind === KIND.idempotent;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const TOKEN = 'mytoken!';

/** Answers the greeting of whoever dials. */
async function welcome(there: RawUdp): Promise<void> {
  const { bytes, from } = await there.came.next();
  assert.equal(headOf(bytes).kind, KIND.hello);
  await there.send(writeDatagram({ ...headOf(bytes), kind: KIND.token }, TOKEN, 'latin1'), from.port);
}

describe('over a network that loses datagrams, the udp transport', () => {
  for (const n of [3, 4, 7])
    it(`gets idempotent calls through when one of ${n} is lost, and runs each once`, async () => {
      const transport = started({ retransmitMs: 3 });
      const { runs, accept } = counting();
      const { address } = await transport.listen(ANY, accept);
      const network = having(await BadNetwork.losing(address, n));
      for (let each = 0; each < 60; each++)
        assert.equal(text(await ask(transport, network.address, message(`<${each}>`))), `<${each}>`);
      assert.deepEqual([runs.size, new Set(runs.values())], [60, new Set([1])]);
    });

  it('answers an idempotent call from memory whose reply was lost', async () => {
    const transport = started({ retransmitMs: 3 });
    const { runs, accept } = counting();
    const { address } = await transport.listen(ANY, accept);
    let losses = 4;
    const network = having(
      await BadNetwork.before(address, (bytes) =>
        headOf(bytes).kind === KIND.reply && losses-- > 0 ? 0 : 1,
      ),
    );
    assert.equal(text(await ask(transport, network.address, message('x'))), 'x');
    assert.deepEqual([...runs], [['x', 1]]);
    assert.ok(losses <= 0);
  });

  it('sends any other call once', async () => {
    const clock = new VirtualClock();
    const transport = started({}, { ...parts(), clock });
    const listener = await transport.listen(ANY, echo);
    let calls = 0;
    const network = having(
      await BadNetwork.before(listener.address, (bytes) => {
        if (!isCall(bytes)) return 1;
        calls++;
        return 0;
      }),
    );
    const socket = await transport.dial(network.address);
    await socket.send(message('x'));
    await until(() => calls === 1);
    await clock.advance(60_000);
    assert.equal(calls, 1);
    socket.close();
  });

  it('sends an idempotent call again after longer and longer waits, until it is given up', async () => {
    const clock = new VirtualClock();
    const transport = started({ retransmitMs: 100 }, { ...parts(), clock });
    const listener = await transport.listen(ANY, echo);
    const times: number[] = [];
    const network = having(
      await BadNetwork.before(listener.address, (bytes) => {
        if (!isCall(bytes)) return 1;
        times.push(clock.now());
        return 0;
      }),
    );
    const begin = clock.now();
    const socket = await transport.dial(network.address, { idempotent: true });
    await socket.send(message('x'));
    await until(() => times.length === 1);
    await clock.advance(20_000);
    socket.close();
    await clock.advance(20_000);
    assert.deepEqual(
      times.map((time) => time - begin),
      [0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300],
    );
    assert.ok(clock.pending <= 1, 'nothing but the look for idle links waits');
  });

  it('runs a call once that arrives twice, and counts the copy', async () => {
    const transport = started();
    const { runs, accept } = counting();
    const { address } = await transport.listen(ANY, accept);
    const network = having(await BadNetwork.before(address, () => 2));
    for (let n = 0; n < 20; n++)
      assert.equal(text(await call(transport, at(network.address), message(`<${n}>`))), `<${n}>`);
    assert.deepEqual([runs.size, new Set(runs.values())], [20, new Set([1])]);
    await until(() => transport.dropped.duplicate >= 20 && transport.dropped.late >= 20);
  });
});

describe('a peer of the udp transport', () => {
  it('is not taken for there before it has answered, and is asked again', async () => {
    const clock = new VirtualClock();
    const transport = started({ retransmitMs: 100 }, { ...parts(), clock });
    const silent = await raw();
    const dialling = assert.rejects(
      async () => transport.dial(silent.address, { timeoutMs: 1_000 }),
      failing('deadline_exceeded', false, silent.address, '1000 ms'),
    );
    const first = await silent.came.next();
    await clock.advance(1_000);
    await dialling;
    assert.equal(first.bytes.length, 32);
    for (let again = 0; again < 3; again++) assert.deepEqual((await silent.came.next()).bytes, first.bytes);
    assert.ok(clock.pending <= 1, 'it is not asked for ever');
  });

  it('that is not there is unavailable at once, whatever the host', async () => {
    const transport = started();
    for (const address of ['127.0.0.1:1', 'nobody.invalid:1', '[::1]:1'])
      await assert.rejects(
        async () => transport.dial(address),
        failing('unavailable', false, `nobody answers at ${address}`),
      );
    await assert.rejects(
      async () => transport.dial('nonsense'),
      failing('invalid_argument', undefined, 'nonsense'),
    );
  });

  it('that takes TLS only is not dialled', async () => {
    const transport = started();
    const { address } = await transport.listen(ANY, echo);
    await assert.rejects(
      async () => transport.dial(address, { secure: true }),
      failing('unavailable', false, address, 'TLS'),
    );
  });

  it('that goes away ends its calls: the last was not executed, those before may have been', async () => {
    const transport = started();
    const there = await RawUdp.open();
    const dialling = transport.dial(there.address);
    await welcome(there);
    const sockets = [
      await dialling,
      await transport.dial(there.address),
      await transport.dial(there.address),
    ];
    const [first, second, last] = sockets;
    assert.ok(first && second && last);
    await first.send(message('1'));
    await second.send(message('2'));
    await there.came.next();
    await there.came.next();
    await there.close();
    await last.send(message('3'));
    await assert.rejects(async () => first.receive(), failing('unavailable', undefined));
    await assert.rejects(async () => second.receive(), failing('unavailable', undefined));
    await assert.rejects(async () => last.receive(), failing('unavailable', false));
  });

  it('that was started again at its address is called as if nothing had been', async () => {
    const [caller, before, after] = [started(), started(), started()];
    const { runs, accept } = counting();
    const { address } = await before.listen(ANY, accept);
    assert.equal(text(await call(caller, at(address), message('before'))), 'before');
    await before.stop();
    const again = await after.listen(address, accept);
    assert.equal(text(await call(caller, again, message('after'))), 'after');
    assert.equal(text(await call(caller, again, message('and on'))), 'and on');
    assert.deepEqual([...runs.values()], [1, 1, 1]);
  });

  it('is reached over IPv6, by name, and where it listens on every interface', async () => {
    const more = parts();
    const transport = started({}, more);
    const { address } = await transport.listen('[::1]:0', echo);
    assert.match(address, /^\[::1\]:\d+$/);
    assert.equal(text(await call(transport, at(address), message('six'))), 'six');
    const named = await transport.listen('localhost:0', echo);
    assert.equal(text(await call(transport, named, message('named'))), 'named');
    assert.equal(more.logger.records.length, 0);
    const every = await transport.listen(':0', echo);
    assert.equal(more.logger.records.filter(({ message: said }) => said.includes('no TLS')).length, 1);
    const near = at(`127.0.0.1:${portOf(every.address)}`);
    assert.equal(text(await call(transport, near, message('every'))), 'every');
  });

  it('is called from another port when it was not called for a while', async () => {
    const clock = new VirtualClock();
    const transport = started({}, { ...parts(), clock });
    const remotes: string[] = [];
    const listener = await transport.listen(ANY, (socket) => {
      remotes.push(socket.remote);
      echo(socket);
    });
    for (const ms of [1_000, 120_000, 0]) {
      await call(transport, listener, message('x'));
      await clock.advance(ms);
    }
    assert.equal(remotes[0], remotes[1]);
    assert.notEqual(remotes[1], remotes[2]);
  });
});

describe('what somebody else sends to the udp transport', () => {
  const head = { kind: KIND.call, token: NO_TOKEN, id: 'abcdefgh\0\0\0\x01' };

  /** A listener, and somebody who knows where it is. */
  async function scene(): Promise<{
    readonly transport: UdpTransport;
    readonly accepted: Signal<Socket>;
    readonly port: number;
    readonly other: RawUdp;
    /** How often something was said aloud. */
    readonly logged: () => number;
  }> {
    const more = parts();
    const transport = started({}, more);
    const accepted = new Signal<Socket>();
    const { address } = await transport.listen(ANY, (socket) => accepted.fire(socket));
    const logged = (): number => more.logger.records.filter(({ level }) => level === 'warn').length;
    return { transport, accepted, port: portOf(address), other: await raw(), logged };
  }

  /** The token that somebody is told. */
  async function tokenOf(other: RawUdp, port: number): Promise<string> {
    await other.send(writeMessage(head, message('x'), MESSAGE_LIMITS), port);
    return readRest((await other.came.next()).bytes, 'latin1');
  }

  it('is not run before it has shown that it gets what is sent to its address, and is answered by no more bytes', async () => {
    const { transport, accepted, other, port } = await scene();
    const least = writeMessage(
      head,
      { header: message('').header.delete('Micro-Service'), body: EMPTY },
      MESSAGE_LIMITS,
    );
    await other.send(least, port);
    const { bytes } = await other.came.next();
    assert.deepEqual(readHead(bytes), { ...head, kind: KIND.token });
    assert.ok(bytes.length <= least.length, `${bytes.length} for ${least.length}`);
    const token = readRest(bytes, 'latin1');
    await other.send(writeMessage({ ...head, token }, message('mine'), MESSAGE_LIMITS), port);
    const socket = await accepted.next();
    let cancelled = false;
    socket.onClose(() => (cancelled = true));
    assert.deepEqual([text(await socket.receive()), socket.remote], ['mine', other.address]);
    // The token is that address's and no other's, and nobody cancels in another's name.
    const thief = await raw();
    await thief.send(writeMessage({ ...head, token }, message('stolen'), MESSAGE_LIMITS), port);
    const refused = await thief.came.next();
    assert.equal(headOf(refused.bytes).kind, KIND.token);
    await thief.send(writeDatagram({ ...head, kind: KIND.cancel, token }), port);
    const own = { ...head, kind: KIND.cancel, token: readRest(refused.bytes, 'latin1') };
    await thief.send(writeDatagram(own), port);
    await until(() => transport.dropped.stranger === 1 && transport.dropped.late === 1);
    assert.equal(cancelled, false);
    await socket.send(message('done'));
    assert.equal(headOf((await other.came.next()).bytes).kind, KIND.reply);
  });

  it('is dropped where it makes no sense, counted, and logged once', async () => {
    const { transport, accepted, other, port, logged } = await scene();
    const mine = { ...head, token: await tokenOf(other, port) };
    const lying = writeMessage(mine, message('lying'), MESSAGE_LIMITS);
    lying.writeUInt32BE(2 ** 31, 24);
    const inner = writeMessage(mine, message('lying'), MESSAGE_LIMITS);
    inner.writeUInt16BE(65_535, 32);
    const nonsense = [
      EMPTY,
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      lying.subarray(0, 23),
      Buffer.from(lying).fill(9, 2, 3),
      writeDatagram({ ...mine, kind: KIND.reply }),
      writeDatagram({ ...mine, kind: 99 }),
      writeDatagram({ ...head, kind: KIND.hello }),
      writeDatagram(mine),
      writeDatagram(mine, '\0'.repeat(9)),
      lying,
      inner,
    ];
    for (const bytes of nonsense) await other.send(bytes, port);
    await until(() => transport.dropped.malformed === nonsense.length);
    assert.equal(logged(), 1);
    await other.send(writeMessage(mine, message('fine'), MESSAGE_LIMITS), port);
    assert.equal(text(await (await accepted.next()).receive()), 'fine');
  });

  it('is refused where it is over a limit of the listener', async () => {
    const { other, port } = await scene();
    const token = await tokenOf(other, port);
    const many = Array.from({ length: 300 }, () => ['a', 'b'] as const);
    for (const large of [
      message(Buffer.alloc(60_000)),
      message('', { Foo: 'x'.repeat(50_000) }),
      message('', many),
    ]) {
      const limits = { ...MESSAGE_LIMITS, maxHeaders: 1_000 };
      await other.send(writeMessage({ ...head, token }, large, limits), port);
      const { bytes } = await other.came.next();
      assert.equal(headOf(bytes).kind, KIND.cut);
      assert.match(readRest(bytes), /"grpc":"resource_exhausted","executed":false/);
    }
  });

  it('answers no call that was not asked of it', async () => {
    const transport = started();
    const there = await raw();
    const dialling = transport.dial(there.address);
    const hello = await there.came.next();
    const greeting = { ...headOf(hello.bytes), kind: KIND.token };
    const right = writeDatagram(greeting, TOKEN, 'latin1');
    for (const bytes of [writeDatagram(greeting, 'no'), right, right])
      await there.send(bytes, hello.from.port);
    const socket = await dialling;
    await socket.send(message('x'));
    const { bytes, from } = await there.came.next();
    const reply = { ...headOf(bytes), kind: KIND.reply };
    // A stranger's does not even arrive: the port is connected to its peer.
    const stranger = await raw();
    await stranger.send(writeMessage(reply, message('a stranger’s'), MESSAGE_LIMITS), from.port);
    const guessed = { ...reply, id: `${reply.id.slice(0, 11)}\x7f` };
    for (const each of [guessed, { ...reply, token: 'another!' }])
      await there.send(writeMessage(each, message('spoofed'), MESSAGE_LIMITS), from.port);
    await there.send(writeDatagram({ ...reply, kind: 99 }), from.port);
    await there.send(Buffer.from('nonsense'), from.port);
    await there.send(writeMessage(reply, message('right'), MESSAGE_LIMITS), from.port);
    assert.equal(text(await socket.receive()), 'right');
    await there.send(writeMessage(reply, message('late'), MESSAGE_LIMITS), from.port);
    await until(() => transport.dropped.late === 4);
    assert.equal(transport.dropped.malformed, 2);
  });

  it('ends the call whose reply cannot be read, with its reason', async () => {
    const transport = started({ maxMessageBytes: 10 });
    const there = await raw();
    const dialling = transport.dial(there.address);
    await welcome(there);
    await dialling;
    const answered = async (kind: number, answer: (it: Head) => Buffer): Promise<unknown> => {
      const socket = await transport.dial(there.address);
      await socket.send(message('x'));
      const { bytes, from } = await there.came.next();
      await there.send(answer({ ...headOf(bytes), kind }), from.port);
      return socket.receive();
    };
    await assert.rejects(
      answered(KIND.reply, (it) => writeMessage(it, message('x'.repeat(11)), MESSAGE_LIMITS)),
      failing('resource_exhausted', undefined, 'maxMessageBytes'),
    );
    await assert.rejects(
      answered(KIND.reply, (it) => writeDatagram(it, 'short')),
      failing('unavailable', undefined, there.address, 'cannot be read'),
    );
    assert.equal(await answered(KIND.end, (it) => writeDatagram(it)), undefined);
  });
});

describe('the limits of the udp transport', () => {
  it('fit into a datagram, which is named where a message does not', async () => {
    const transport = started({ maxMessageBytes: 65_475 });
    const { address } = await transport.listen(ANY, echo);
    const socket = await transport.dial(address);
    for (const large of [
      message(Buffer.alloc(65_475)),
      message(Buffer.alloc(30_000), { Foo: 'x'.repeat(36_000) }),
    ])
      assert.throws(
        () => socket.send(large),
        failing('resource_exhausted', undefined, '65507 bytes', 'send less at once', 'such as http'),
      );
    const most = { header: message('').header.delete('Micro-Service'), body: Buffer.alloc(65_475, 7) };
    await socket.send(most);
    assert.deepEqual((await socket.receive())?.body, most.body);
  });

  it('cannot be more than a datagram has', () => {
    const transport = new UdpTransport({ maxMessageBytes: 65_476 }, parts());
    assert.throws(
      () => transport.start(),
      failing('failed_precondition', undefined, '65475', 'maxMessageBytes'),
    );
  });

  it('leave room for errors with all the details that may travel', async () => {
    const transport = started();
    const listener = await transport.listen(
      ANY,
      answering(async (socket) => {
        await socket.receive();
        const most = 'é'.repeat(8_192);
        await socket.send(message('', { 'Micro-Error': most, 'X-Micro-Error': most }));
      }),
    );
    const reply = await call(transport, listener, message('x'));
    assert.equal(reply?.header.get('X-Micro-Error')?.length, 8_192);
  });

  it('hold for calls that are open, at either end', async () => {
    const [caller, other, server] = [started({ maxSockets: 2 }), started(), started({ maxSockets: 3 })];
    const waiting = new Signal<Socket>();
    const { address } = await server.listen(ANY, (socket) => waiting.fire(socket));
    const open = async (transport: UdpTransport): Promise<Socket> => {
      const socket = await transport.dial(address);
      await socket.send(message('x'));
      return socket;
    };
    const two = [await open(caller), await open(caller)];
    await assert.rejects(open(caller), failing('resource_exhausted', false, 'maxSockets', address));
    await open(other);
    const refused = await open(other);
    await assert.rejects(
      async () => refused.receive(),
      failing('resource_exhausted', false, 'maxSockets', address),
    );
    for (let n = 0; n < 3; n++) (await waiting.next()).close();
    for (const socket of two) assert.equal(await socket.receive(), undefined);
    const again = await open(caller);
    await (await waiting.next()).send(message('there is room'));
    assert.equal(text(await again.receive()), 'there is room');
  });

  it('hold for calls that wait for their peer to show itself', async () => {
    const transport = started({ maxSockets: 2 });
    const silent = await raw();
    const dial = async (): Promise<Socket> => transport.dial(silent.address);
    const stopped = [dial(), dial()].map((dialling) =>
      assert.rejects(dialling, failing('unavailable', false)),
    );
    await assert.rejects(dial(), failing('resource_exhausted', false, 'maxSockets', silent.address));
    await transport.stop();
    await Promise.all(stopped);
  });

  it('are not reached by a call that could not be accepted', async () => {
    const more = parts();
    const transport = started({ maxSockets: 1 }, more);
    const listener = await transport.listen(ANY, () => {
      throw new Error('not today');
    });
    for (let n = 0; n < 3; n++)
      await assert.rejects(call(transport, listener, message('x')), failing('unavailable', undefined));
    assert.equal(more.logger.records.filter(({ level }) => level === 'error').length, 3);
  });

  it('are one message each way', async () => {
    const transport = started();
    const far = later<Socket>();
    const { address } = await transport.listen(ANY, far.resolve);
    const near = await transport.dial(address);
    await near.send(message('one'));
    await fails(() => near.send(message('two')), 'failed_precondition');
    const socket = await far.promise;
    assert.equal(text(await socket.receive()), 'one');
    assert.equal(await socket.receive(), undefined);
    await socket.send(message('first'));
    await socket.send(message('second'));
    socket.close();
    assert.equal(text(await near.receive()), 'first');
    assert.equal(await near.receive(), undefined);
  });
});
