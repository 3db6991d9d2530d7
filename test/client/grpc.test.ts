import assert from 'node:assert/strict';
import { createServer as createHttp1Server } from 'node:http';
import { constants, createServer } from 'node:http2';
import { afterEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { CallOptions } from '../../src/client/client.js';
import type { GrpcClientOptions } from '../../src/client/grpc.js';
import { OctavoError, type Code } from '../../src/core/error.js';
import { writeFrame } from '../../src/core/grpc-frames.js';
import type { Metadata } from '../../src/core/metadata.js';
import { Registry } from '../../src/registry/registry.js';
import { writeStatus } from '../../src/schema/rpc-status.js';
import type { Service } from '../../src/service/service.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { timeout } from '../../src/wrapper/timeout.js';
import { octavo } from '../support/grpc-interop/octavo.js';
import { END_STREAM, frame, FRAME, Http2Peer } from '../support/http2-peer.js';

const REQUEST = { service: 'x', endpoint: 'X.Y', body: Buffer.from('ask') };
const NO_RETRY = { retries: 0 };
const REPLY = writeFrame(Buffer.from('reply'));
const OK = { 'grpc-status': '0' };

let closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
});

/** Starts a client. */
async function client(
  options: GrpcClientOptions = {},
  more: Parameters<typeof octavo>[1] = {},
): Promise<Service> {
  const service = octavo(options, more);
  await service.start();
  closing.push(() => service.stop());
  return service;
}

/** Listens, and has `answer` deal with each call. Returns where it is. */
async function server(answer: (peer: Http2Peer, stream: number) => unknown): Promise<string> {
  const { address, server: listening } = await Http2Peer.listen((peer) => {
    closing.push(() => peer.close());
    peer.settle();
    void (async () => {
      for (let stream = 1; ; stream += 2) {
        await peer.hears(FRAME.headers, stream);
        answer(peer, stream);
      }
    })().catch(() => {
      // The connection has ended.
    });
  });
  closing.push(() => listening.close());
  return address;
}

/** Answers with a reply, in order. */
function replying(peer: Http2Peer, stream: number): void {
  peer.respond(stream);
  peer.data(stream, REPLY);
  peer.trailers(stream, OK);
}

async function call(
  service: Service,
  address: string | string[],
  options: CallOptions = NO_RETRY,
): Promise<string> {
  return text(await service.client.call(REQUEST, { address, ...options }));
}

/** What is not typed is bytes. */
function text(bytes: unknown): string {
  assert.ok(bytes instanceof Uint8Array);
  return Buffer.from(bytes).toString();
}

function failing(code: Code, like = /./): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.equal(reason.code, code, reason.message);
    assert.match(reason.message, like);
    return true;
  };
}

function errorCode(code: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(code);
  return bytes;
}

/** The last stream that was taken, and why. */
function goaway(last: number, code: number = constants.NGHTTP2_NO_ERROR): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(last);
  bytes.writeUInt32BE(code, 4);
  return bytes;
}

describe('an attempt of a grpc call that takes too long', () => {
  for (const kind of ['unary', 'server'] as const)
    it(`is given up by itself, and its server told: ${kind}`, async () => {
      const clock = new VirtualClock();
      const heard: number[] = [];
      let begun = (): void => {};
      const first = new Promise<void>((resolve) => (begun = resolve));
      const address = await server((peer, stream) => {
        if (stream > 1) return replying(peer, stream);
        begun();
        return peer.hears(FRAME.reset, stream).then(() => heard.push(stream));
      });
      const { client: calling } = await client(
        { callWrappers: [timeout({ timeoutMs: 50 })] },
        { clock: () => clock },
      );
      const options = { address, retry: () => true, backoff: () => 0, retries: 1 };
      const done =
        kind === 'unary'
          ? calling.call(REQUEST, options)
          : calling.stream({ ...REQUEST, kind }, options).receive();
      await first;
      await clock.advance(50);
      assert.deepEqual(Buffer.from((await done) as Uint8Array), Buffer.from('reply'));
      while (heard.length === 0) await new Promise(setImmediate);
    });
});

describe('the grpc client', () => {
  it('sends what gRPC wants of a call, and reads its reply', async () => {
    const address = await server(replying);
    const service = await client();
    assert.equal(await call(service, address), 'reply');
  });

  it('says in the headers how long it waits, and what it can unpack', async () => {
    const seen: Record<string, string>[] = [];
    const http2 = createServer((request, response) => {
      seen.push(request.headers as Record<string, string>);
      response.stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', ...OK },
        { endStream: true },
      );
    });
    await new Promise<void>((resolve) => http2.listen(0, '127.0.0.1', resolve));
    closing.push(() => http2.close());
    const at = http2.address();
    assert.ok(typeof at === 'object' && at !== null);
    const service = await client();
    const metadata = { Plain: 'a', 'Raw-Bin': Uint8Array.of(0, 255) };
    await assert.rejects(
      call(service, `127.0.0.1:${at.port}`, { timeoutMs: 1_500, metadata, ...NO_RETRY }),
      failing('internal', /x X\.Y ended without a reply/),
    );
    const [headers = {}] = seen;
    assert.deepEqual(
      [':method', ':path', 'te', 'content-type', 'plain', 'raw-bin'].map((name) => headers[name]),
      ['POST', '/x.X/Y', 'trailers', 'application/grpc', 'a', 'AP8='],
    );
    assert.match(headers['grpc-timeout'] ?? '', /^1[45]\d\dm$/);
    assert.match(headers['grpc-accept-encoding'] ?? '', /gzip/);
  });

  const answers: readonly (readonly [status: string, type: string, Code])[] = [
    ['400', 'text/html', 'internal'],
    ['401', 'text/html', 'unauthenticated'],
    ['403', 'text/html', 'permission_denied'],
    ['404', 'text/html', 'unimplemented'],
    ['429', 'application/json', 'unavailable'],
    ['502', 'text/html', 'unavailable'],
    ['503', 'text/plain', 'unavailable'],
    ['504', 'application/grpc', 'unavailable'],
    ['418', 'text/plain', 'unknown'],
    ['200', 'text/html', 'unknown'],
  ];
  for (const [status, type, code] of answers)
    it(`takes the HTTP status ${status} with ${type} for ${code}`, async () => {
      const address = await server((peer, stream) => {
        peer.respond(stream, { ':status': status, 'content-type': type });
        peer.data(stream, Buffer.from('<html>no</html>'), END_STREAM);
      });
      await assert.rejects(call(await client(), address), failing(code, new RegExp(`${status} and ${type}`)));
    });

  const resets: readonly (readonly [name: string, number, Code])[] = [
    ['CANCEL', constants.NGHTTP2_CANCEL, 'cancelled'],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM, 'resource_exhausted'],
    ['INADEQUATE_SECURITY', constants.NGHTTP2_INADEQUATE_SECURITY, 'permission_denied'],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR, 'internal'],
    ['PROTOCOL_ERROR', constants.NGHTTP2_PROTOCOL_ERROR, 'internal'],
  ];
  for (const [name, number, code] of resets)
    it(`takes a reset with ${name} for ${code}`, async () => {
      const address = await server((peer, stream) =>
        peer.write(frame(FRAME.reset, 0, stream, errorCode(number))),
      );
      await assert.rejects(call(await client(), address), failing(code, new RegExp(`code ${number}`)));
    });

  it('tries a call elsewhere that was refused, whatever it does', async () => {
    const refusing = await server((peer, stream) =>
      peer.write(frame(FRAME.reset, 0, stream, errorCode(constants.NGHTTP2_REFUSED_STREAM))),
    );
    const service = await client();
    await assert.rejects(call(service, refusing), (reason) => {
      failing('unavailable')(reason);
      return (reason as OctavoError).executed === false;
    });
    assert.equal(await call(service, [refusing, await server(replying)]), 'reply');
  });

  it('tries a call elsewhere that a farewell did not take, and a stream of replies too', async () => {
    const leaving = await server((peer) => peer.write(frame(FRAME.goaway, 0, 0, goaway(0))));
    const other = await server(replying);
    const service = await client();
    assert.equal(await call(service, [leaving, other]), 'reply');
    const stream = service.client.stream(
      { ...REQUEST, kind: 'server' },
      { address: [leaving, other], ...NO_RETRY },
    );
    assert.equal(text(await stream.receive()), 'reply');
    assert.equal(await stream.receive(), undefined);
  });

  it('tries a stream elsewhere that was refused, with all its items, each of which is asked for once', async () => {
    const refusing = await server(async (peer, stream) => {
      await peer.hears(FRAME.data, stream);
      peer.write(frame(FRAME.reset, 0, stream, errorCode(constants.NGHTTP2_REFUSED_STREAM)));
    });
    let all = Buffer.alloc(0);
    const other = await server(async (peer, stream) => {
      while (!peer.frames.some(({ stream: id, flags }) => id === stream && flags === END_STREAM))
        await new Promise((resolve) => setImmediate(resolve));
      all = Buffer.concat(
        peer.frames.filter(({ type }) => type === FRAME.data).map(({ payload }) => payload),
      );
      replying(peer, stream);
    });
    const asked: number[] = [];
    async function* items(): AsyncIterable<Uint8Array> {
      for (const item of [1, 2, 3]) {
        asked.push(item);
        yield Uint8Array.of(item);
      }
    }
    const service = await client();
    const stream = service.client.stream(
      { ...REQUEST, kind: 'client', body: items() },
      { address: [refusing, other], ...NO_RETRY },
    );
    assert.equal(text(await stream.receive()), 'reply');
    assert.equal(await stream.receive(), undefined);
    assert.deepEqual(asked, [1, 2, 3]);
    assert.deepEqual(all, Buffer.concat([1, 2, 3].map((item) => writeFrame(Uint8Array.of(item)))));
  });

  it('leaves the items of a stream that is refused everywhere', async () => {
    const refusing = await server((peer, stream) =>
      peer.write(frame(FRAME.reset, 0, stream, errorCode(constants.NGHTTP2_REFUSED_STREAM))),
    );
    let left = (): void => {};
    const leaving = new Promise<void>((resolve) => (left = resolve));
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        async return() {
          left();
          return { done: true as const, value: undefined };
        },
      }),
    };
    const service = await client();
    const stream = service.client.stream({ ...REQUEST, body: items }, { address: refusing, ...NO_RETRY });
    await assert.rejects(stream.receive(), failing('unavailable'));
    await leaving;
  });

  it('sends a stream no further from the beginning once its server has spoken', async () => {
    let taken = 0;
    const speaking = await server(async (peer, stream) => {
      peer.respond(stream);
      await peer.hears(FRAME.data, stream);
      peer.write(frame(FRAME.reset, 0, stream, errorCode(constants.NGHTTP2_REFUSED_STREAM)));
    });
    const other = await server(() => taken++);
    const service = await client();
    const { service: name, endpoint } = REQUEST;
    const stream = service.client.stream(
      { service: name, endpoint },
      { address: [speaking, other], ...NO_RETRY },
    );
    await stream.send(Uint8Array.of(1));
    await assert.rejects(stream.receive(), failing('unavailable'));
    assert.equal(taken, 0);
  });

  it('reads the end of a stream that has nothing in it and was never begun', async () => {
    const address = await server((peer, stream) =>
      peer.trailers(stream, { ':status': '200', 'content-type': 'application/grpc', ...OK, 'said-by': 'me' }),
    );
    let trailer: Metadata | undefined;
    const service = await client();
    const stream = service.client.stream(
      { ...REQUEST, body: [] },
      { address, onTrailer: (it) => (trailer = it) },
    );
    assert.equal(await stream.receive(), undefined);
    assert.equal(trailer?.get('said-by'), 'me');
  });

  it('finishes on a connection that says farewell what that has taken, and opens another', async () => {
    let connections = 0;
    const address = await server((peer, stream) => {
      connections++;
      peer.write(frame(FRAME.goaway, 0, 0, goaway(stream)));
      replying(peer, stream);
    });
    const service = await client();
    assert.equal(await call(service, address), 'reply');
    assert.equal(await call(service, address), 'reply');
    assert.equal(connections, 2);
  });

  it('gets an error that is all there is, with its details', async () => {
    const told = new OctavoError('failed_precondition', 'not yet é', {
      details: [{ type: 'wait', forMs: 5 }],
    });
    const bytes = writeStatus(told, 1_000) ?? Buffer.alloc(0);
    const address = await server((peer, stream) =>
      peer.trailers(stream, {
        ':status': '200',
        'content-type': 'application/grpc',
        'grpc-status': '9',
        'grpc-message': 'not yet %C3%A9',
        // As grpc-go writes it, without padding.
        'grpc-status-details-bin': Buffer.from(bytes).toString('base64').replaceAll('=', ''),
        'said-by': 'me',
      }),
    );
    let trailer: Metadata | undefined;
    await assert.rejects(
      call(await client(), address, { onTrailer: (it) => (trailer = it), ...NO_RETRY }),
      (reason) => {
        failing('failed_precondition', /^not yet é$/)(reason);
        assert.deepEqual((reason as OctavoError).details, told.details);
        return true;
      },
    );
    assert.deepEqual([...(trailer ?? [])], [['said-by', 'me']]);
  });

  it('takes an end without a status, or with one that is none, for an error', async () => {
    const service = await client();
    for (const status of ['', 'fine', '99']) {
      const trailers = { 'grpc-status': status };
      const address = await server((peer, stream) => {
        peer.respond(stream);
        peer.data(stream, REPLY);
        peer.trailers(stream, trailers);
      });
      await assert.rejects(call(service, address), failing('unknown'));
    }
    const silent = await server((peer, stream) => {
      peer.respond(stream);
      peer.data(stream, REPLY, END_STREAM);
    });
    await assert.rejects(call(service, silent), failing('unavailable', /without a status/));
  });

  it('takes two replies of a call that has one for an error', async () => {
    const address = await server((peer, stream) => {
      peer.respond(stream);
      peer.data(stream, Buffer.concat([REPLY, REPLY]));
      peer.trailers(stream, OK);
    });
    await assert.rejects(call(await client(), address), failing('internal', /second reply/));
  });

  it('does not read a reply that is longer than it may be, packed or not', async () => {
    const service = await client({ maxMessageBytes: 1_000 });
    const long = await server((peer, stream) => {
      peer.respond(stream);
      peer.data(stream, writeFrame(Buffer.alloc(2_000)));
    });
    await assert.rejects(call(service, long), failing('resource_exhausted', /maxMessageBytes/));
    const bomb = await server((peer, stream) => {
      peer.respond(stream, { 'grpc-encoding': 'gzip' });
      peer.data(stream, writeFrame(gzipSync(Buffer.alloc(100_000)), 1));
      peer.trailers(stream, OK);
    });
    await assert.rejects(call(service, bomb), failing('resource_exhausted', /1000 bytes/));
  });

  it('sends no request that is longer than it may be', async () => {
    const service = await client({ maxMessageBytes: 1_000 });
    const request = { ...REQUEST, body: Buffer.alloc(1_001) };
    await assert.rejects(
      service.client.call(request, { address: '127.0.0.1:1' }),
      failing('resource_exhausted', /maxMessageBytes/),
    );
  });

  it('unpacks replies, and says so of what it cannot', async () => {
    const service = await client();
    const packed = await server((peer, stream) => {
      peer.respond(stream, { 'grpc-encoding': 'gzip' });
      peer.data(stream, writeFrame(gzipSync('packed'), 1));
      peer.trailers(stream, OK);
    });
    assert.equal(await call(service, packed), 'packed');
    const unsaid = await server((peer, stream) => {
      peer.respond(stream);
      peer.data(stream, writeFrame(gzipSync('packed'), 1));
      peer.trailers(stream, OK);
    });
    await assert.rejects(call(service, unsaid), failing('internal', /grpc-encoding/));
    const strange = await server((peer, stream) => peer.respond(stream, { 'grpc-encoding': 'snappy' }));
    await assert.rejects(call(service, strange), failing('internal', /snappy/));
  });

  it('tells the other end when a call is given up', async () => {
    let given = (_payload: Buffer): void => {};
    const heard = new Promise<Buffer>((resolve) => (given = resolve));
    const abort = new AbortController();
    const address = await server((peer, stream) => {
      abort.abort();
      void peer.hears(FRAME.reset, stream).then(({ payload }) => given(payload));
    });
    const service = await client();
    await assert.rejects(call(service, address, { signal: abort.signal }), failing('cancelled'));
    assert.deepEqual(await heard, errorCode(constants.NGHTTP2_CANCEL));
  });

  it('says so where nobody speaks HTTP/2, and has sent nothing', async () => {
    const http1 = createHttp1Server((_, response) => response.end('no'));
    await new Promise<void>((resolve) => http1.listen(0, '127.0.0.1', resolve));
    closing.push(() => http1.close());
    const at = http1.address();
    assert.ok(typeof at === 'object' && at !== null);
    const service = await client();
    await assert.rejects(call(service, `127.0.0.1:${at.port}`), (reason) => {
      failing('unavailable', /cannot open a connection to 127\.0\.0\.1/)(reason);
      return (reason as OctavoError).executed === false;
    });
  });

  it('survives a server that sends headers without end', async () => {
    const address = await server((peer, stream) => {
      const endless = Buffer.concat(
        Array.from({ length: 400 }, () => Buffer.from('\0\x01a\x7e' + 'x'.repeat(126))),
      );
      peer.write(frame(FRAME.headers, 0, stream, endless.subarray(0, 130 * 100)));
      for (let n = 0; n < 100; n++) peer.write(frame(9, 0, stream, endless.subarray(0, 130 * 100)));
    });
    const service = await client();
    await assert.rejects(call(service, address), failing('unavailable'));
    assert.equal(await call(service, await server(replying)), 'reply');
  });

  it('survives a server that sends replies without end', async () => {
    const address = await server((peer, stream) => {
      peer.respond(stream);
      for (let n = 0; n < 1_000; n++) peer.data(stream, REPLY);
    });
    await assert.rejects(call(await client(), address), failing('internal', /second reply/));
  });

  it('closes a stream that its server has said nothing on', async () => {
    let given = (): void => {};
    const heard = new Promise<void>((resolve) => (given = resolve));
    let come = (): void => {};
    const came = new Promise<void>((resolve) => (come = resolve));
    const address = await server((peer, stream) => {
      come();
      void peer.hears(FRAME.reset, stream).then(given);
    });
    const service = await client();
    const stream = service.client.stream({ ...REQUEST, kind: 'server' }, { address });
    await came;
    await stream.close();
    await heard;
  });

  it('goes on with another connection where it has given up many calls on one, and tells of each', async () => {
    const told = new Map<Http2Peer, number>();
    let came = (): void => {};
    const address = await server((peer, stream) => {
      if (!told.has(peer)) told.set(peer, 0);
      void peer.hears(FRAME.reset, stream).then(() => told.set(peer, (told.get(peer) ?? 0) + 1));
      came();
    });
    const service = await client();
    const CALLS = 700;
    for (let n = 0; n < CALLS; n++) {
      const abort = new AbortController();
      came = () => abort.abort();
      await assert.rejects(call(service, address, { signal: abort.signal }), failing('cancelled'));
    }
    const total = (): number => [...told.values()].reduce((sum, count) => sum + count, 0);
    while (total() < CALLS) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(told.size > 1, `${told.size} connections`);
  });

  it('is not ended by metadata that whoever looks at it cannot bear', async () => {
    const service = await client();
    const address = await server(replying);
    const onHeader = (): void => {
      throw new OctavoError('data_loss', 'not that');
    };
    await assert.rejects(call(service, address, { onHeader }), failing('data_loss'));
    const stream = service.client.stream({ ...REQUEST, kind: 'server' }, { address, onHeader });
    await assert.rejects(stream.receive(), failing('data_loss'));
  });

  it('lets a server send no more than a window of what is not read', async () => {
    const WINDOW = 64 * 1024;
    const peers: Http2Peer[] = [];
    const address = await server((peer, stream) => {
      peers.push(peer);
      peer.respond(stream);
      for (let n = 0; n < 60; n++) peer.data(stream, writeFrame(Buffer.alloc(1_000)));
    });
    const service = await client({ windowBytes: WINDOW });
    const stream = service.client.stream({ ...REQUEST, kind: 'server' }, { address });
    await stream.receive();
    // It gives leave for what was taken, and for what fits beside that; more would be asked for within a few turns.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    const given = peers[0]?.frames
      .filter(({ type, stream: id }) => type === FRAME.window && id !== 0)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
    assert.ok((given ?? 0) < WINDOW, String(given));
    await stream.close();
  });

  it('holds back calls that a server does not take at the same time', async () => {
    const { address, server: listening } = await Http2Peer.listen((peer) => {
      closing.push(() => peer.close());
      // One stream at a time.
      peer.write(frame(FRAME.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 1])), frame(FRAME.settings, 1, 0));
      void (async () => {
        for (const stream of [1, 3]) {
          await peer.hears(FRAME.headers, stream);
          assert.equal(peer.frames.filter(({ type }) => type === FRAME.headers).length, (stream + 1) / 2);
          replying(peer, stream);
        }
      })();
    });
    closing.push(() => listening.close());
    const service = await client({ maxConnections: 1 });
    assert.deepEqual(await Promise.all([call(service, address), call(service, address)]), ['reply', 'reply']);
  });

  it('notices a server that is there no longer', async () => {
    const clock = new VirtualClock();
    const address = await server((peer, stream) => {
      peer.respond(stream);
      peer.data(stream, REPLY);
    });
    const service = await client({ keepaliveMs: 3_000 }, { clock: () => clock });
    const node = { id: 'n', address, metadata: { protocol: 'grpc', octavo: '1' } };
    await service
      .resolve(Registry)
      .register({ name: 'x', version: '1', nodes: [node], metadata: {}, endpoints: [] });
    const stream = service.client.stream({ ...REQUEST, kind: 'server' });
    assert.equal(text(await stream.receive()), 'reply');
    const next = assert.rejects(
      stream.receive(),
      failing('unavailable', /silent for 3000 ms \(keepaliveMs\)/),
    );
    for (let n = 0; n < 20; n++) await clock.advance(500);
    await next;
  });
});
