import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import { HttpReader } from '../../src/core/http-message.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
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

/** A server that answers as the recording did: each piece when what came before it has come. */
async function playing(pieces: readonly Piece[], run: (address: string) => Promise<void>): Promise<void> {
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
    const reader = new HttpReader(MESSAGE_LIMITS, () => {
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
});
