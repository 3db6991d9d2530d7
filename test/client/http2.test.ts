import assert from 'node:assert/strict';
import { constants, createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { http, type HttpClientOptions } from '../../src/client/http.js';
import { OctavoError, type Code } from '../../src/core/error.js';
import { writeFrame } from '../../src/core/grpc-frames.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { ProbeClient, type Told } from '../conformance/probe.js';

type Answering = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Bench {
  readonly probe: ProbeClient;
  readonly options: { readonly address: string; readonly retries: 0 };
}

/** A server of HTTP/2 that answers as it is told, and a client of it. */
async function against(
  answer: Answering,
  run: (bench: Bench) => Promise<void>,
  options: HttpClientOptions = {},
): Promise<void> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    answer(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const service = createService({
    name: 'caller',
    client: http({ contentType: 'application/json', version: '2', ...options }),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    logger: () => new TestLogger(),
    env: {},
  });
  await service.start();
  try {
    await run({
      probe: service.resolve(ProbeClient),
      options: { address: `127.0.0.1:${port}`, retries: 0 },
    });
  } finally {
    await service.stop();
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

function failing(code: Code, like: RegExp, executed?: false): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.match(reason.message, like);
    assert.deepEqual([reason.code, reason.executed], [code, executed]);
    return true;
  };
}

async function all(items: AsyncIterable<Told>): Promise<number[]> {
  const counts: number[] = [];
  for await (const { count } of items) counts.push(count);
  return counts;
}

const HEAD = { ':status': 200, 'content-type': 'application/connect+json' };
const item = (count: number): Buffer => writeFrame(Buffer.from(`{"count":${count}}`));
const END = writeFrame(Buffer.from('{}'), 2);

describe('a server of HTTP/2', () => {
  it('that refuses a stream has not executed the call', () =>
    against(
      (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
      async ({ probe, options }) => {
        await assert.rejects(probe.echo({}, options), failing('unavailable', /did not take the call/, false));
        await assert.rejects(
          all(probe.count({}, options)),
          failing('unavailable', /did not take the call/, false),
        );
      },
    ));

  it('that resets a stream, or ends it without an answer, may have', async () => {
    for (const answer of [
      (stream: ServerHttp2Stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
      (stream: ServerHttp2Stream) => stream.destroy(),
    ])
      await against(answer, async ({ probe, options }) => {
        await assert.rejects(probe.echo({}, options), failing('unavailable', /without an answer/));
      });
  });

  it('that resets a stream in its middle fails it behind its items', () =>
    against(
      (stream) => {
        stream.respond(HEAD);
        stream.write(item(1), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
      },
      async ({ probe, options }) => {
        const seen: number[] = [];
        await assert.rejects(
          async () => {
            for await (const { count } of probe.count({}, options)) seen.push(count);
          },
          failing('unavailable', /broke off before its end/),
        );
        assert.ok(seen.length <= 1);
      },
    ));

  it('that says goodbye gets no more calls on that connection, and loses none', async () => {
    let calls = 0;
    await against(
      (stream) => {
        calls++;
        stream.resume();
        stream.session?.goaway();
        stream.respond({ ':status': 200, 'content-type': 'application/json' });
        stream.end('{"text":"x"}');
      },
      async ({ probe, options }) => {
        for (let n = 0; n < 5; n++) assert.equal((await probe.echo({}, options)).text, 'x');
      },
    );
    assert.equal(calls, 5);
  });

  it('that loses its connection fails what is under way', () =>
    against(
      (stream) => void setImmediate(() => stream.session?.destroy()),
      async ({ probe, options }) => {
        await assert.rejects(probe.echo({}, options), ({ code }: OctavoError) => code === 'unavailable');
        await assert.rejects(
          all(probe.count({}, options)),
          ({ code }: OctavoError) => code === 'unavailable',
        );
      },
    ));

  it('is not read faster than the caller takes items', async () => {
    let written = 0;
    const piece = writeFrame(Buffer.from(JSON.stringify({ text: 'x'.repeat(60_000), count: 1 })));
    await against(
      (stream) => {
        stream.respond(HEAD);
        const more = (): void => {
          while (!stream.destroyed && written < 100_000_000) {
            written += piece.length;
            if (!stream.write(piece)) return;
          }
        };
        stream.on('drain', more);
        more();
      },
      async ({ probe, options }) => {
        for await (const _ of probe.count({}, options)) {
          // Whatever may come meanwhile has come after so many turns.
          for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
          assert.ok(written < 10_000_000, String(written));
          break;
        }
      },
    );
  });

  it('is told of a half-close, and of a caller who leaves', async () => {
    let told: (what: string) => void = () => {};
    const happened = new Promise<string>((resolve) => (told = resolve));
    await against(
      (stream) => {
        stream.respond(HEAD);
        stream.resume();
        stream.write(item(1));
        stream.once('aborted', () => told(`aborted ${stream.rstCode}`));
      },
      async ({ probe, options }) => {
        for await (const _ of probe.chat([], options)) break;
        assert.equal(await happened, `aborted ${constants.NGHTTP2_CANCEL}`);
      },
    );
    await against(
      (stream) => {
        stream.respond(HEAD);
        stream.resume();
        stream.once('end', () => stream.end(Buffer.concat([item(7), END])));
      },
      async ({ probe, options }) => {
        assert.deepEqual(await all(probe.chat([{ count: 1 }], options)), [7]);
      },
    );
  });
});
