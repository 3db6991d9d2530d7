import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { HttpReader, type HttpMessage } from '../../src/core/http-message.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { MESSAGE_LIMITS } from '../../src/transport/transport.js';
import { bytesOf, capture, connectionsOf, messagesIn, saying, type Piece } from '../support/capture.js';
import { GoGreeter, GoGreeterClient } from '../support/go-greeter.js';
import { Raw } from '../support/raw.js';

function service(services: readonly (typeof GoGreeter)[] = [GoGreeter]): ReturnType<typeof createService> {
  return createService({
    services,
    registry: memoryRegistry(),
    broker: memoryBroker(),
    client: rpc({ contentType: 'application/json', retries: 0 }),
    logger: () => new TestLogger(),
    env: {},
  });
}

async function serving(run: (address: string) => Promise<void>): Promise<void> {
  const greeter = service();
  await greeter.start();
  try {
    await run(greeter.server.node?.address ?? '');
  } finally {
    await greeter.stop();
  }
}

/** What our server answers to bytes of a Go client, message by message. */
async function answers(address: string, bytes: Uint8Array, count: number): Promise<string[]> {
  const raw = await Raw.open(address);
  raw.write(bytes);
  const text = await raw.until((all) => messagesIn(Buffer.from(all, 'latin1')).length >= count);
  raw.close();
  return messagesIn(Buffer.from(text, 'latin1')).map(saying);
}

describe('what a recorded Go client sent', () => {
  const requests = [
    ...capture('http-go-client-requests-and-reactions-v4.11').matchAll(
      /######## (\S+): (call|twice|callproto) [^]*?--- conn 1 got\n([^]*?)(?=\n(?:---|#{8}) )/g,
    ),
  ];

  it('was recorded in several forms', () => {
    assert.ok(requests.length >= 9, String(requests.length));
  });

  for (const [, name = '', kind = '', printed = ''] of requests)
    it(`is answered: ${kind}, ${name}`, () =>
      serving(async (address) => {
        const [said] = await answers(address, bytesOf(`${printed}\n`), 1);
        assert.match(
          said ?? '',
          kind === 'callproto' ? /^\n\nHello John$|Hello John/ : /^\{"msg":"Hello John"\}$/,
        );
      }));

  it('on a stream is answered item by item, and its end ends the connection', () =>
    serving(async (address) => {
      const [first = []] = connectionsOf(capture('http-stream-both-directions-v4.11'));
      const raw = await Raw.open(address);
      for (const { bytes } of first.filter(({ from }) => from === 'client')) raw.write(bytes);
      const said = messagesIn(Buffer.from(await raw.end(), 'latin1')).map(saying);
      // After a go-micro client's end of stream nothing more is said.
      assert.deepEqual(said, ['{"msg":"a-0"}', '{"msg":"a-1"}', '{"msg":"a-0"}', '{"msg":"a-1"}']);
    }));

  it('on a stream that fails is answered by the error, in go-micro’s form', () =>
    serving(async (address) => {
      const second = connectionsOf(capture('http-stream-both-directions-v4.11'))[1] ?? [];
      const client = second.filter(({ from }) => from === 'client');
      const raw = await Raw.open(address);
      for (const { bytes } of client) raw.write(bytes);
      const said = messagesIn(Buffer.from(await raw.end(), 'latin1')).map(saying);
      assert.equal(said.at(-1), '{"id":"greeter.stream","code":404,"detail":"nope","status":"Not Found"}');
      assert.equal(said.filter((each) => each.startsWith('{"msg"')).length, said.length - 1);
    }));

  it('without an endpoint that is known is told so', () =>
    serving(async (address) => {
      const request =
        'POST / HTTP/1.1\r\nContent-Type: application/json\r\nMicro-Endpoint: Greeter.Nope\r\nContent-Length: 0\r\n\r\n';
      assert.match((await answers(address, Buffer.from(request), 1))[0] ?? '', /"code":501.*Greeter\.Nope/);
    }));
});

describe('what a handler on go-micro sends on of its caller’s', () => {
  /** What go-micro's client writes out of the handler of an Octavo caller's call. */
  const request = (endpoint: string, more: string, body: string): string =>
    `POST / HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\nMicro-Endpoint: ${endpoint}\r\nMicro-Service: greeter\r\n` +
    `Octavo: 1\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;

  it('is not taken for an Octavo peer’s: its stream gets no greeting, and its end is go-micro’s', () =>
    serving(async (address) => {
      const raw = await Raw.open(address);
      const stream = 'Micro-Stream: 0\r\n';
      raw.write(request('Greeter.Stream', stream, ''));
      raw.write(request('Greeter.Stream', stream, '{"name":"a","n":1}'));
      await raw.until((text) => text.includes('a-0'));
      raw.write(request('Greeter.Stream', `${stream}Micro-Error: EOS\r\n`, ''));
      const said = messagesIn(Buffer.from(await raw.end(), 'latin1')).map(saying);
      assert.deepEqual(said, ['{"msg":"a-0"}']);
    }));

  it('gets no farewell, which go-micro would take for the reply of its next call', async () => {
    const greeter = service();
    await greeter.start();
    const raw = await Raw.open(greeter.server.node?.address ?? '');
    raw.write(request('Greeter.Hello', '', '{"name":"J"}'));
    await raw.until((text) => text.includes('Hello J'));
    await greeter.stop();
    assert.equal(messagesIn(Buffer.from(await raw.end(), 'latin1')).length, 1);
  });

  it('is a call, though a stream’s id came along, and the connection is used again', () =>
    serving(async (address) => {
      const raw = await Raw.open(address);
      for (const count of [1, 2, 3]) {
        raw.write(request('Greeter.Hello', 'Micro-Stream: 0\r\n', '{"name":"J"}'));
        const text = await raw.until((all) => messagesIn(Buffer.from(all, 'latin1')).length === count);
        assert.equal(
          saying(messagesIn(Buffer.from(text, 'latin1'))[count - 1] ?? assert.fail()),
          '{"msg":"Hello J"}',
        );
      }
      raw.close();
    }));
});

/** A server that answers as the recording did: each piece when what came before it has come. */
async function playing(
  pieces: readonly Piece[],
  run: (address: string) => Promise<void>,
  onMessage: (message: HttpMessage) => void = () => {},
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let got = 0;
    let at = 0;
    const play = (): void => {
      for (; at < pieces.length; at++) {
        // A message may be in several pieces.
        const asked = pieces
          .slice(0, at + 1)
          .flatMap(({ from, bytes }) => (from === 'client' ? [bytes] : []));
        if (messagesIn(Buffer.concat(asked)).length > got) return;
        const piece = pieces[at];
        if (piece?.from === 'server') socket.write(piece.bytes);
      }
    };
    const reader = new HttpReader(MESSAGE_LIMITS, (message) => {
      onMessage(message);
      got++;
      play();
    });
    socket.on('data', (bytes: Buffer) => reader.feed(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    // A TCP server that listens has an address with a port.
    await run(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** The replies of a recorded Go server, by what was asked. */
function reply(name: string): Piece[] {
  const text = capture('http-server-replies-v4.11');
  const [, printed = ''] = new RegExp(`^=== ${name}.*\\n([^]*?)(?=^=== |$(?![^]))`, 'm').exec(text) ?? [];
  const request = Buffer.from('POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n');
  return [
    { from: 'client', bytes: request },
    { from: 'server', bytes: bytesOf(printed.replace(/\n\n$/, '\n\n')) },
  ];
}

async function calling(pieces: readonly Piece[]): Promise<unknown> {
  const caller = service([]);
  await caller.start();
  try {
    let outcome: unknown;
    await playing(pieces, async (address) => {
      outcome = await caller
        .resolve(GoGreeterClient)
        .hello({ name: 'J' }, { address, timeoutMs: 2_000 })
        .catch((error: unknown) => error);
    });
    return outcome;
  } finally {
    await caller.stop();
  }
}

describe('what a recorded Go server replied', () => {
  it('is read: a reply', async () => {
    assert.deepEqual({ ...((await calling(reply('hello$'))) as object) }, { msg: 'Hello J' });
  });

  const errors: readonly (readonly [string, string, RegExp])[] = [
    ['bad on same conn', 'invalid_argument', /^bad <J>/],
    ['boom', 'unknown', /^boom plain$/],
    ['no method', 'unimplemented', /^rpc: can't find method Nope$/],
    ['no service', 'unimplemented', /^rpc: can't find service Nope$/],
    ['ill formed', 'unknown', /ill-formed: Nope$/],
    ['bad json', 'unknown', /^invalid character/],
    ['unsupported ct', 'internal', /unsupported Content-Type: application\/xml/],
  ];
  for (const [name, code, message] of errors)
    it(`is read: ${name} is ${code}`, async () => {
      const error = await calling(reply(name));
      assert.ok(error instanceof OctavoError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, message);
    });

  it('on a stream is read item by item, up to its error', async () => {
    const second = connectionsOf(capture('http-stream-both-directions-v4.11'))[1] ?? [];
    const caller = service([]);
    await caller.start();
    const seen: string[] = [];
    await playing(second, async (address) => {
      const stream = caller
        .resolve(GoGreeterClient)
        .stream([{ name: 'a', n: 2 }, { name: 'a', n: 2 }, { name: 'err' }], { address, timeoutMs: 2_000 });
      await assert.rejects(
        async () => {
          for await (const { msg } of stream) seen.push(msg);
        },
        (error) => error instanceof OctavoError && error.code === 'not_found' && error.message === 'nope',
      );
    });
    // The Go server sends its last item twice: it reuses the buffer of what it has not sent yet.
    assert.ok(seen.length > 0 && seen.every((msg) => msg === 'a-1'), seen.join());
    await caller.stop();
  });

  it('is kept apart by a stream’s id, where the registry says that the node is go-micro’s', async () => {
    const caller = service([]);
    await caller.start();
    const registry = caller.resolve(Registry);
    const ids: (string | undefined)[] = [];
    const nodes: readonly Record<string, string>[] = [
      { protocol: 'mucp' },
      { protocol: 'mucp', octavo: '1' },
    ];
    for (const metadata of nodes)
      await playing(
        reply('hello$'),
        async (address) => {
          const node = { id: `greeter-${ids.length}`, address, metadata };
          const record = { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes: [node] };
          await registry.register(record);
          await caller.resolve(GoGreeterClient).hello({ name: 'J' });
          await registry.deregister(record);
        },
        ({ header }) => ids.push(header.get('Micro-Stream')),
      );
    assert.deepEqual(ids, ['0', undefined]);
    await caller.stop();
  });

  it('of the request is no sign of an Octavo peer, and not shown as metadata', async () => {
    const body = '{"msg":"Hello J"}';
    const echo =
      'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMicro-Endpoint: Greeter.Hello\r\nOctavo: 1\r\nSecret: x\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    const caller = service([]);
    await caller.start();
    const shown: Record<string, string>[] = [];
    const [asked] = reply('hello$');
    await playing([asked ?? assert.fail(), { from: 'server', bytes: Buffer.from(echo) }], async (address) => {
      await caller
        .resolve(GoGreeterClient)
        .hello({ name: 'J' }, { address, onHeader: (header) => shown.push(header.toJSON()) });
    });
    assert.deepEqual(shown, [{}]);
    await caller.stop();
  });
});
