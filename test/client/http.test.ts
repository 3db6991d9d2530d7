import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { http, type HttpClientOptions } from '../../src/client/http.js';
import { OctavoError, type Code } from '../../src/core/error.js';
import { writeFrame } from '../../src/core/grpc-frames.js';
import type { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { schemaOf } from '../../src/schema/schema.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { ProbeClient, Told } from '../conformance/probe.js';

interface Bench {
  readonly probe: ProbeClient;
  readonly address: string;
  readonly options: { readonly address: string; readonly retries: 0 };
}

/** A server that answers as it is told, and a client of it. */
async function against(
  listener: RequestListener,
  run: (bench: Bench) => Promise<void>,
  options: HttpClientOptions = {},
): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const service = createService({
    name: 'caller',
    client: http({ contentType: 'application/json', ...options }),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  });
  await service.start();
  try {
    const address = `127.0.0.1:${port}`;
    await run({ probe: service.resolve(ProbeClient), address, options: { address, retries: 0 } });
  } finally {
    await service.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function failing(code: Code, like: RegExp): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.match(reason.message, like);
    assert.equal(reason.code, code, reason.message);
    return true;
  };
}

function answering(status: number, type: string, body: string | Uint8Array, more = {}): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(status, { ...(type !== '' && { 'content-type': type }), ...more }).end(body);
  };
}

const JSON_TYPE = 'application/json';
const STREAM = 'application/connect+json';
const END = 2;

async function all(items: AsyncIterable<Told>): Promise<number[]> {
  const counts: number[] = [];
  for await (const { count } of items) counts.push(count);
  return counts;
}

describe('an answer that is none of the Connect protocol', () => {
  for (const [status, code, type, body] of [
    [404, 'unimplemented', 'text/html', '<h1>Not Found</h1>'],
    [502, 'unavailable', 'text/html', '<html>\n<h1>Bad   Gateway</h1>'],
    [503, 'unavailable', '', ''],
    [401, 'unauthenticated', 'text/plain', 'who are you'],
    [403, 'permission_denied', JSON_TYPE, '{"no":"code"}'],
    [429, 'unavailable', JSON_TYPE, 'no JSON'],
    [302, 'unknown', '', ''],
    [500, 'unknown', JSON_TYPE, '[]'],
    [200, 'internal', 'text/html', '<h1>Welcome</h1>'],
    [200, 'internal', 'application/proto', 'x'],
  ] as const)
    it(`is an error that says what it was: HTTP ${status} ${type}`, () =>
      against(answering(status, type, body), async ({ probe, address, options }) => {
        const like = new RegExp(`^${address} answered Probe\\.(Echo|Count) with HTTP ${status} and `);
        await assert.rejects(probe.echo({}, options), failing(code, like));
        if (type !== 'application/proto')
          await assert.rejects(all(probe.count({}, options)), failing(code, like));
      }));

  it('says when to come again, where a proxy has said so', () =>
    against(answering(429, 'text/html', 'slowly', { 'retry-after': '7' }), async ({ probe, options }) => {
      await assert.rejects(
        probe.echo({}, options),
        (reason) => reason instanceof OctavoError && reason.retryAfterMs === 7_000,
      );
    }));

  it('shows little of a long text', () =>
    against(answering(404, 'text/plain', 'x'.repeat(100_000)), async ({ probe, options }) => {
      await assert.rejects(probe.echo({}, options), ({ message }: Error) => message.length < 500);
    }));

  it('is told from an error of the protocol, whatever its status', () =>
    against(
      answering(418, JSON_TYPE, '{"code":"canceled","message":"no more","details":[1,{"type":"x"}]}', {
        seen: 'yes',
        'trailer-last': 'too',
      }),
      async ({ probe, options }) => {
        let header: Metadata | undefined;
        let trailer: Metadata | undefined;
        const shown = {
          onHeader: (it: Metadata) => (header = it),
          onTrailer: (it: Metadata) => (trailer = it),
        };
        await assert.rejects(probe.echo({}, { ...options, ...shown }), failing('cancelled', /^no more$/));
        assert.deepEqual([header?.get('seen'), trailer?.get('last')], ['yes', 'too']);
      },
    ));
});

describe('a server that is about to close a connection', () => {
  it('says 408 to what crosses that, which may go elsewhere', () =>
    against(answering(408, '', '', { connection: 'close' }), async ({ probe, address, options }) => {
      const unexecuted = (reason: unknown): boolean =>
        failing('unavailable', /HTTP 408/)(reason) && (reason as OctavoError).executed === false;
      await assert.rejects(probe.once({}, options), unexecuted);
      await assert.rejects(all(probe.count({}, options)), unexecuted);
      const another = createServer(answering(200, JSON_TYPE, '{"text":"elsewhere"}'));
      await new Promise<void>((resolve) => another.listen(0, '127.0.0.1', resolve));
      const { port } = another.address() as AddressInfo;
      const both = { address: [address, `127.0.0.1:${port}`], retries: 0 };
      assert.equal((await probe.once({}, both)).text, 'elsewhere');
      another.closeAllConnections();
      another.close();
    }));
});

describe('a server that means no good', () => {
  it('sends no more than is allowed: a long body, announced or not, and one that grows', async () => {
    const limit = { maxMessageBytes: 1_000 };
    const long = JSON.stringify({ text: 'x'.repeat(2_000) });
    const packed = gzipSync(Buffer.alloc(1_000_000));
    for (const listener of [
      answering(200, JSON_TYPE, long),
      answering(200, JSON_TYPE, packed.subarray(0, 900), { 'content-encoding': 'gzip' }),
      answering(200, JSON_TYPE, gzipSync(Buffer.alloc(20_000)), { 'content-encoding': 'gzip' }),
      endless(JSON_TYPE, 'x'.repeat(1_000)),
    ])
      await against(
        listener,
        async ({ probe, options }) => {
          await assert.rejects(probe.echo({}, options), ({ code }: OctavoError) =>
            ['resource_exhausted', 'internal'].includes(code),
          );
        },
        limit,
      );
  });

  it('sends no frame over the limit, and none that grows over it', async () => {
    const limit = { maxMessageBytes: 1_000 };
    const head = Buffer.alloc(5);
    head.writeUInt32BE(0x7fffffff, 1);
    const grows = writeFrame(gzipSync(Buffer.alloc(100_000)), 1);
    for (const [bytes, headers] of [
      [head, {}],
      [grows, { 'connect-content-encoding': 'gzip' }],
    ] as const)
      await against(
        answering(200, STREAM, bytes, headers),
        async ({ probe, options }) => {
          await assert.rejects(all(probe.count({}, options)), failing('resource_exhausted', /1000/));
        },
        limit,
      );
  });

  it('breaks off, and that is told: a body, a stream without its end, a frame in the middle', async () => {
    const item = writeFrame(Buffer.from('{"count":1}'));
    const cut =
      (type: string, bytes: Uint8Array): RequestListener =>
      (request, response) => {
        request.resume();
        response.writeHead(200, { 'content-type': type, 'content-length': 1_000 });
        response.write(bytes, () => response.destroy());
      };
    await against(cut(JSON_TYPE, Buffer.from('{')), async ({ probe, options }) => {
      await assert.rejects(
        probe.echo({}, options),
        failing('unavailable', /broke off: the answer has no end/),
      );
    });
    for (const listener of [
      cut(STREAM, item),
      answering(200, STREAM, item),
      answering(200, STREAM, Buffer.concat([item, item.subarray(0, 7)])),
      answering(200, STREAM, ''),
    ])
      await against(listener, async ({ probe, options }) => {
        await assert.rejects(
          all(probe.count({}, options)),
          failing('unavailable', /broke off before its end/),
        );
      });
  });

  it('ends a stream with what is no end, or goes on behind it', async () => {
    for (const [end, like] of [
      ['[]', /ended a stream with something that is no JSON object/],
      ['nothing', /ended a stream with something that is no JSON object/],
      ['{"error":{"code":"nonsense","message":"m"}}', /^m$/],
      ['{"error":{}}', /^$/],
      ['{"error":7}', /^$/],
    ] as const)
      await against(answering(200, STREAM, writeFrame(Buffer.from(end), END)), async ({ probe, options }) => {
        await assert.rejects(all(probe.count({}, options)), ({ message }: Error) => like.test(message));
      });
    const twice = Buffer.concat([writeFrame(Buffer.from('{}'), END), writeFrame(Buffer.from('{"count":1}'))]);
    await against(answering(200, STREAM, twice), async ({ probe, options }) => {
      assert.deepEqual(await all(probe.count({}, options)), []);
    });
    await against(
      answering(200, STREAM, writeFrame(Buffer.from('{"metadata":{"a":["1",2],"b":3}}'), END)),
      async ({ probe, options }) => {
        let trailer: Metadata | undefined;
        await all(probe.count({}, { ...options, onTrailer: (it) => (trailer = it) }));
        assert.deepEqual([...(trailer ?? [])], [['a', '1']]);
      },
    );
  });

  it('sends flags that nobody knows, or packs without a word', async () => {
    for (const [flags, code] of [
      [4, 'unimplemented'],
      [1, 'internal'],
    ] as const)
      await against(
        answering(200, STREAM, writeFrame(Buffer.from('{}'), flags)),
        async ({ probe, options }) => {
          await assert.rejects(all(probe.count({}, options)), failing(code, /./));
        },
      );
  });

  it('packs in a way that is not read', () =>
    against(answering(200, JSON_TYPE, '{}', { 'content-encoding': 'br' }), async ({ probe, options }) => {
      await assert.rejects(probe.echo({}, options), failing('unimplemented', /"br"/));
    }));

  it('sends one preliminary answer after the other', () =>
    against(
      (_, response) => {
        for (let n = 0; n < 100; n++) response.writeProcessing();
      },
      async ({ probe, options }) => {
        await assert.rejects(probe.echo({}, options), failing('unavailable', /preliminary/));
      },
    ));

  it('sends a header over the limit', () =>
    against(
      answering(200, JSON_TYPE, '{}', { long: 'x'.repeat(20_000) }),
      async ({ probe, options }) => {
        await assert.rejects(probe.echo({}, options), failing('resource_exhausted', /maxHeaderBytes/));
      },
      { maxHeaderBytes: 10_000 },
    ));

  it('says nothing, and the deadline ends the call and its connection', async () => {
    let gone: (() => void) | undefined;
    const left = new Promise<void>((resolve) => (gone = resolve));
    await against(
      (request) => void request.socket.once('close', () => gone?.()),
      async ({ probe, options, address }) => {
        const like = new RegExp(`took longer than 50 ms: it waited for the reply of ${address}`);
        await assert.rejects(
          probe.echo({}, { ...options, timeoutMs: 50 }),
          failing('deadline_exceeded', like),
        );
        await left;
      },
    );
  });
});

describe('what the http client sends', () => {
  interface Seen {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: Buffer;
    readonly port: number | undefined;
  }

  /** Answers everything with an empty reply, and remembers what came. */
  function remembering(seen: Seen[]): RequestListener {
    return (request: IncomingMessage, response: ServerResponse) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const { method = '', url = '', headers, socket } = request;
        seen.push({ method, url, headers, body: Buffer.concat(pieces), port: socket.remotePort });
        const type = /json/.test(headers['content-type'] ?? url) ? JSON_TYPE : 'application/proto';
        response.writeHead(200, { 'content-type': type }).end(type === JSON_TYPE ? '{}' : '');
      });
    };
  }

  it('is a plain POST of JSON or protobuf, with the time that is left', async () => {
    const seen: Seen[] = [];
    await against(remembering(seen), async ({ probe, options }) => {
      await probe.echo({ text: 'é' }, { ...options, metadata: { Token: 't' } });
      await probe.echo({ text: 'é' }, { ...options, contentType: 'application/protobuf', timeoutMs: 0 });
    });
    const [json, proto] = seen;
    assert.deepEqual([json?.method, json?.url], ['POST', '/conformance.Probe/Echo']);
    assert.equal(json?.headers['content-type'], JSON_TYPE);
    assert.equal(json?.headers['connect-protocol-version'], '1');
    assert.equal(json?.headers['token'], 't');
    const ms = Number(json?.headers['connect-timeout-ms']);
    assert.ok(ms > 4_000 && ms <= 5_000, String(ms));
    assert.deepEqual(JSON.parse(String(json?.body)), { text: 'é' });
    assert.equal(proto?.headers['content-type'], 'application/proto');
    assert.equal(proto?.headers['connect-timeout-ms'], undefined);
    assert.deepEqual(schemaOf(Told).decode(proto?.body ?? Buffer.alloc(0)).text, 'é');
  });

  it('is a GET for what is idempotent, where that was asked for and is not too long', async () => {
    const seen: Seen[] = [];
    await against(
      remembering(seen),
      async ({ probe, options }) => {
        await probe.again({ text: 'a b' }, options);
        await probe.again({ text: 'a' }, { ...options, contentType: 'application/protobuf' });
        await probe.once({ text: 'a' }, options);
        await probe.again({ text: 'x'.repeat(5_000) }, options);
      },
      { get: true },
    );
    assert.deepEqual(
      seen.map(({ method }) => method),
      ['GET', 'GET', 'POST', 'POST'],
    );
    const [json, proto] = seen.map(({ url }) => new URL(url, 'http://x').searchParams);
    assert.equal(json?.get('message'), '{"text":"a b"}');
    assert.deepEqual(
      [json?.get('connect'), json?.get('encoding'), json?.has('base64')],
      ['v1', 'json', false],
    );
    assert.deepEqual([proto?.get('message'), proto?.get('base64')], ['CgFh', '1']);
  });

  it('goes over connections that are kept, until they are too old', async () => {
    const ports = async (more: HttpClientOptions): Promise<number> => {
      const seen: Seen[] = [];
      await against(
        remembering(seen),
        async ({ probe, options }) => {
          for (let n = 0; n < 5; n++) await probe.echo({}, options);
        },
        more,
      );
      return new Set(seen.map(({ port }) => port)).size;
    };
    assert.equal(await ports({}), 1);
    assert.equal(await ports({ poolTtlMs: 0 }), 5);
  });

  it('waits for a connection where there are enough, and not in any number', async () => {
    let most = 0;
    let now = 0;
    const waiting: (() => void)[] = [];
    await against(
      (request, response) => {
        request.resume();
        most = Math.max(most, ++now);
        waiting.push(() => {
          now--;
          response.writeHead(200, { 'content-type': JSON_TYPE }).end('{}');
        });
        if (waiting.length === 2) for (const go of waiting.splice(0)) go();
      },
      async ({ probe, options }) => {
        const calls = Array.from({ length: 8 }, () => probe.echo({}, options));
        const outcomes = await Promise.allSettled(calls);
        const refused = outcomes.flatMap((each) =>
          each.status === 'rejected' ? [each.reason as unknown] : [],
        );
        assert.equal(most, 2);
        assert.equal(refused.length, 2);
        for (const reason of refused) failing('resource_exhausted', /maxQueue/)(reason);
      },
      { maxConnections: 2, maxQueue: 4 },
    );
  });

  it('goes to an address with a scheme, and not to what is none', () =>
    against(answering(200, JSON_TYPE, '{"text":"x"}'), async ({ probe, address }) => {
      assert.equal((await probe.echo({}, { address: `http://${address}` })).text, 'x');
      await assert.rejects(
        probe.echo({}, { address: `http://user:secret@${address}` }),
        (reason) =>
          failing('invalid_argument', /has a user in it/)(reason) &&
          !(reason as Error).message.includes('secret'),
      );
      await assert.rejects(
        probe.echo({}, { address: 'ftp://nowhere:1' }),
        failing('unavailable', /is no address of an HTTP server/),
      );
      await assert.rejects(
        probe.echo({}, { address: `https://${address}`, retries: 0 }),
        failing('unavailable', /does not speak TLS/),
      );
    }));
});

function endless(type: string, piece: string): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': type });
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', more);
    more();
  };
}
