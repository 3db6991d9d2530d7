import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Field, Handler, Message, Service } from '../../decorators/index.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { json } from '../../src/codec/json.js';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry } from '../../src/registry/registry.js';
import { schemaOf } from '../../src/schema/schema.js';
import { GrpcServer, grpc, type GrpcServerOptions } from '../../src/server/grpc.js';
import { rpc } from '../../src/server/rpc.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { http } from '../../src/transport/http.js';
import { Ask, Probe, ProbeClient } from '../conformance/probe.js';
import { grpcTestClient } from '../support/grpc-client.js';
import { grpcSubject } from '../support/grpc-subject.js';
import { END_STREAM, FRAME, Http2Peer } from '../support/http2-peer.js';
import { RawGrpc, framed, type RawCall, type RawReply } from '../support/raw-grpc.js';
import { Raw } from '../support/raw.js';

const STACK = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  transport: http(),
  logger: () => new TestLogger(),
  env: {},
};

@Message('grpctest.Block')
class Block {
  @Field(1, 'bytes') bytes = new Uint8Array();
}

@Message('grpctest.Text')
class Text {
  @Field(1, 'string') text = '';
}

const BLOCK = Object.assign(new Block(), { bytes: new Uint8Array(65_536) });

@Service({ name: 'pipes', package: 'grpctest' })
class Pipes {
  /** How many blocks were given and taken. */
  given = 0;
  taken = 0;

  @Handler(Text, Block, { stream: 'server' })
  async *give(): AsyncIterable<Block> {
    while (this.given++ < 10_000) yield BLOCK;
  }

  @Handler(Block, Text, { stream: 'client' })
  async take(blocks: AsyncIterable<Block>): Promise<Text> {
    for await (const _ of blocks) if (++this.taken === 4) await new Promise(() => {});
    return new Text();
  }

  @Handler(Text, Block)
  async big(): Promise<Block> {
    return Object.assign(new Block(), { bytes: new Uint8Array(1_000_000) });
  }

  @Handler(Text, Text)
  async fail({ text }: Text): Promise<Text> {
    if (text === 'halves') throw new OctavoError('aborted', `a${'\ud800'}b`);
    throw new OctavoError('aborted', 'é'.repeat(100_000), {
      details: [{ type: 'long', text: 'x'.repeat(1e6) }],
    });
  }
}

/** Resolves when a number has stayed the same for so many turns that nothing moves it any more. */
async function settled(value: () => number): Promise<number> {
  for (let last = -1, turns = 0; turns < 500; turns = last === value() ? turns + 1 : 0) {
    last = value();
    await new Promise(setImmediate);
  }
  return value();
}

async function withPipes(
  run: (pipes: Pipes, address: string, stop: () => Promise<void>) => Promise<void>,
  options: GrpcServerOptions = {},
): Promise<void> {
  const service = createService({ ...STACK, services: [Pipes], server: grpc(options) });
  await service.start();
  try {
    await run(service.resolve(Pipes), service.server.node?.address ?? '', () => service.stop());
  } finally {
    await service.stop();
  }
}

describe('the grpc server', () => {
  it('runs beside the rpc server as a node of its own, which callers of rpc leave alone', async () => {
    const service = createService({
      ...STACK,
      services: [Probe],
      server: [rpc(), grpc({ id: 'g' })],
      client: rpcClient(),
    });
    await service.start();
    const [record] = await service.resolve(Registry).getService('probe');
    const [rpcNode, grpcNode] = record?.nodes ?? [];
    assert.deepEqual([rpcNode?.metadata['protocol'], grpcNode?.id], ['mucp', 'probe-g']);
    const { protocol, transport, server } = grpcNode?.metadata ?? {};
    assert.deepEqual([protocol, transport, server], ['grpc', 'grpc', 'grpc']);
    assert.ok(record?.endpoints.some(({ name }) => name === 'Probe.Echo'));
    for (let n = 0; n < 20; n++) await service.resolve(ProbeClient).echo({ count: n });
    assert.equal(service.resolve(Probe).calls, 20);
    const foreign = grpcTestClient(() => grpcNode?.address ?? '')(service.resolve);
    assert.equal((await new ProbeClient(foreign).echo({ text: 'native' })).text, 'native');
    await foreign.stop();
    await service.stop();
  });

  it('serves events too, where it is the only one', async () => {
    const service = createService({ ...STACK, services: [Probe], server: grpc() });
    await service.start();
    await service.client.publish({ topic: 'things', type: Ask, body: { text: 'hello' } });
    assert.equal((await service.resolve(Probe).events.next()).text, 'hello');
    await service.stop();
  });

  it('fails at start without a codec for protobuf, and at an address in use', async () => {
    const failing = (like: RegExp) => (error: unknown) =>
      error instanceof OctavoError && like.test(error.message);
    const start = (options: GrpcServerOptions, more: object): Promise<void> =>
      createService({ ...STACK, services: [Probe], server: grpc(options), ...more }).start();
    await assert.rejects(start({}, { codecs: [json()] }), failing(/no codec: add protobuf\(\)/));
    await withPipes(async (_, address) => {
      await assert.rejects(start({ address }, {}), failing(new RegExp(`${address} is in use`)));
    });
  });

  it('lets a handler wait for a caller that does not read', () =>
    withPipes(async (pipes, address) => {
      const raw = new RawGrpc(address);
      const stream = raw.open('/grpctest.Pipes/Give');
      stream.end(framed(new Uint8Array()));
      await once(stream, 'response');
      const given = await settled(() => pipes.given);
      assert.ok(given > 0 && given < 32, String(given));
      raw.close();
    }));

  it('lets a caller wait for a handler that does not read', () =>
    withPipes(async (pipes, address) => {
      const raw = new RawGrpc(address);
      const stream = raw.open('/grpctest.Pipes/Take');
      const block = framed(schemaOf(Block).encode(BLOCK));
      let sent = 0;
      const send = (error?: Error | null): void => {
        if (error) return;
        sent++;
        stream.write(block, send);
      };
      send();
      const count = await settled(() => sent);
      assert.equal(pipes.taken, 4);
      assert.ok(count >= 4 && count < 32, String(count));
      raw.close();
    }));

  it('cuts off a call whose caller does not read its reply', () =>
    withPipes(
      async (_, address) => {
        const peer = await Http2Peer.open(address);
        peer.request(1, { ':path': '/grpctest.Pipes/Big' });
        peer.data(1, framed(new Uint8Array()), END_STREAM);
        const { payload } = await peer.hears(FRAME.reset, 1);
        assert.equal(payload.readUInt32BE(), constants.NGHTTP2_CANCEL);
        peer.close();
      },
      { timeoutMs: 50 },
    ));

  it('refuses to send a reply over its limit', () =>
    withPipes(
      async (_, address) => {
        const raw = new RawGrpc(address);
        const { status, message } = await raw.call('/grpctest.Pipes/Big', { body: framed(new Uint8Array()) });
        assert.deepEqual([status, message?.includes('maxMessageBytes')], ['8', true]);
        raw.close();
      },
      { maxMessageBytes: 100_000 },
    ));

  it('packs replies from 1 KiB on for who can unpack them, where the option says so', async () => {
    for (const gzip of [true, false])
      await withPipes(
        async (_, address) => {
          const raw = new RawGrpc(address);
          const stream = raw.open('/grpctest.Pipes/Big', { 'grpc-accept-encoding': 'identity, gzip' });
          stream.end(framed(new Uint8Array()));
          const [head] = (await once(stream, 'response')) as [Record<string, string>];
          const chunks: Buffer[] = [];
          for await (const chunk of stream) chunks.push(chunk as Buffer);
          const bytes = Buffer.concat(chunks);
          assert.deepEqual([head['grpc-encoding'], bytes[0]], gzip ? ['gzip', 1] : [undefined, 0]);
          const body = gzip ? gunzipSync(bytes.subarray(5)) : bytes.subarray(5);
          assert.equal(schemaOf(Block).decode(body).bytes.length, 1_000_000);
          raw.close();
        },
        { gzip },
      );
  });

  it('speaks JSON to who asks for it, and says in the type of its answer what it speaks', () =>
    withPipes(async (_, address) => {
      const raw = new RawGrpc(address);
      for (const [type, body, like] of [
        ['application/grpc+json', '{"text":"halves"}', '10'],
        ['application/grpc+proto', schemaOf(Text).encode({ text: 'halves' }), '10'],
        ['application/grpc; charset=utf-8', schemaOf(Text).encode({ text: 'halves' }), '10'],
        ['application/grpc+thrift', '', '12'],
      ] as const) {
        const stream = raw.open('/grpctest.Pipes/Fail', { 'content-type': type });
        stream.end(framed(Buffer.from(body)));
        const [head] = (await once(stream, 'response')) as [Record<string, string>];
        assert.equal(head['grpc-status'], like, type);
        if (like === '10') assert.equal(head['content-type'], type);
        else
          assert.match(
            head['grpc-message'] ?? '',
            /"application\/grpc\+thrift" are not read here: use application\/grpc/,
          );
      }
      raw.close();
    }));

  it('says that it is Octavo to Octavo, and to nobody else', () =>
    withPipes(async (_, address) => {
      const raw = new RawGrpc(address);
      for (const octavo of ['1', undefined]) {
        const stream = raw.open('/grpctest.Pipes/Fail', { ...(octavo !== undefined && { octavo }) });
        stream.end(framed(new Uint8Array()));
        const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
        assert.equal(head['octavo'], octavo);
      }
      raw.close();
    }));

  it('says in HTTP what it speaks to who does not speak it', () =>
    withPipes(async (_, address) => {
      const raw = new RawGrpc(address);
      for (const [headers, status] of [
        [{ 'content-type': 'application/grpc-web' }, 415],
        [{ 'content-type': 'application/json' }, 415],
        [{ ':method': 'GET' }, 405],
      ] as const) {
        const stream = raw.open('/grpctest.Pipes/Fail', headers);
        stream.end();
        const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
        assert.equal(head[':status'], status);
        assert.match(String(await stream.toArray()), /this port speaks gRPC/);
      }
      raw.close();
    }));

  it('is called at the path of its service too, as go-micro calls, and tells go-micro of errors in its JSON', () =>
    withPipes(async (_, address) => {
      const raw = new RawGrpc(address);
      const { status, message = '' } = await raw.call('/pipes.Pipes/Fail', {
        headers: { 'content-type': 'application/grpc+proto', 'x-content-type': 'application/protobuf' },
        body: framed(schemaOf(Text).encode({ text: 'halves' })),
      });
      assert.equal(status, '10');
      assert.deepEqual(JSON.parse(decodeURIComponent(message)), {
        id: 'pipes',
        code: 409,
        detail: 'a\ud800b',
        status: 'Conflict',
      });
      raw.close();
    }));

  it('lives with errors that cannot be written, and says as much of them as it can', () =>
    withPipes(async (_, address) => {
      const raw = new RawGrpc(address);
      const call = (text: string): Promise<RawReply> =>
        raw.call('/grpctest.Pipes/Fail', { body: framed(schemaOf(Text).encode({ text })) });
      assert.deepEqual(
        [(await call('halves')).status, decodeURI((await call('halves')).message ?? '')],
        ['10', 'a\ufffdb'],
      );
      const long = await call('long');
      assert.equal(long.status, '10');
      assert.match(decodeURI(long.message ?? ''), /^é{100,}$/);
      raw.close();
    }));

  it('finishes what is in flight when it is told to stop, and ends a connection that is idle', () =>
    withPipes(async (_, address, stop) => {
      const raw = new RawGrpc(address);
      await once(raw.session, 'connect');
      const gone = once(raw.session, 'goaway');
      await stop();
      await gone;
    }));

  it('closes a connection that carries no call, whether or not it speaks', async () => {
    const subject = grpcSubject({ idleMs: 50, headerTimeoutMs: 300 });
    await subject.start?.();
    const mute = await Raw.open(subject.address);
    await mute.end();
    const raw = new RawGrpc(subject.address);
    await once(raw.session, 'close');
    await subject.stop?.();
  });

  it('closes connections beyond as many as it holds open', async () => {
    const subject = grpcSubject({ maxConnections: 1 });
    await subject.start?.();
    const first = await Raw.open(subject.address);
    await first.until((text) => text !== '');
    const second = await Raw.open(subject.address);
    assert.equal(await second.end(), '');
    first.close();
    await subject.stop?.();
  });
});

describe('what nobody should send by gRPC', () => {
  const ask = framed(schemaOf(Ask).encode({ text: 'x' }));
  const ECHO = '/conformance.Probe/Echo';
  const bad: Readonly<
    Record<string, readonly [path: string, call: RawCall, status: string | undefined, like?: RegExp]>
  > = {
    'an endpoint that is not there': ['/conformance.Probe/Nothing', { body: ask }, '12'],
    'a path of no ASCII': ['/é/ü%', { body: ask }, undefined],
    'a path without a method': ['/', { body: ask }, '12'],
    'no request': [ECHO, {}, '12', /got no request/],
    'two requests': [ECHO, { body: Buffer.concat([ask, ask]) }, '12', /more than one/],
    'half a request': [ECHO, { body: ask.subarray(0, 6) }, '13', /in the middle/],
    'a request that is no message': [ECHO, { body: framed(Buffer.of(255, 255)) }, '3'],
    'a request that breaks a rule': [
      ECHO,
      { body: framed(schemaOf(Ask).encode({ text: 'x'.repeat(21) })) },
      '3',
    ],
    'a request that is too long': [ECHO, { body: framed(new Uint8Array(200_000)) }, '8'],
    'a length that is a lie': [ECHO, { body: Buffer.of(0, 255, 255, 255, 255, 1) }, '8'],
    'a request that grows when it is unpacked': [
      ECHO,
      { headers: { 'grpc-encoding': 'gzip' }, body: framed(gzipSync(new Uint8Array(50_000_000)), true) },
      '8',
    ],
    'what is no gzip': [ECHO, { headers: { 'grpc-encoding': 'gzip' }, body: framed(ask, true) }, '13'],
    'an encoding that nobody knows': [
      ECHO,
      { headers: { 'grpc-encoding': 'br' }, body: framed(ask, true) },
      '12',
    ],
    'a deadline that is none': [ECHO, { headers: { 'grpc-timeout': 'soon' }, body: ask }, '3'],
    'a deadline that has passed': [ECHO, { headers: { 'grpc-timeout': '0m' }, body: ask }, '4'],
    'a head and nothing more': [ECHO, { headers: { 'grpc-timeout': '30m' }, end: false }, '4'],
    'no gRPC': [ECHO, { headers: { 'content-type': 'text/html' }, body: ask }, undefined],
    '300 headers': [
      ECHO,
      { headers: Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`h${n}`, 'v'])), body: ask },
      undefined,
    ],
    'a header of 100 KB': [ECHO, { headers: { big: 'x'.repeat(100_000) }, body: ask }, undefined],
  };
  for (const [what, [path, call, status, like]] of Object.entries(bad))
    it(`is ${what}: it is refused, no handler runs, and others are served`, async () => {
      const subject = grpcSubject({ maxMessageBytes: 100_000 });
      await subject.start?.();
      const raw = new RawGrpc(subject.address);
      const reply = await raw.call(path, call);
      if (status !== undefined) assert.equal(reply.status, status);
      else
        assert.ok(reply.status !== '0' && (reply.http === 415 || reply.status === '12' || reply.reset !== 0));
      if (like !== undefined) assert.match(decodeURI(reply.message ?? ''), like);
      assert.equal(subject.probe.calls, 0);
      raw.close();
      await new ProbeClient(subject.client).echo({});
      assert.ok(subject.server instanceof GrpcServer);
      assert.equal(subject.server.stats.active, 0);
      await subject.stop?.();
    });

  for (const text of [
    'GET / HTTP/1.1\r\n\r\n',
    '\x16\x03\x01\x02',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + 'x'.repeat(40),
  ])
    it(`is ${JSON.stringify(text.slice(0, 12))}: the connection is closed, and others are served`, async () => {
      const subject = grpcSubject();
      await subject.start?.();
      const raw = await Raw.open(subject.address);
      raw.write(text);
      await raw.end();
      await new ProbeClient(subject.client).echo({});
      await subject.stop?.();
    });
});
