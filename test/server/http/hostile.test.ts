import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Field, Handler, Message, Service } from '../../../decorators/index.js';
import type { Context } from '../../../src/core/context.js';
import { writeFrame, writePrefix } from '../../../src/core/grpc-frames.js';
import type { HttpServerOptions } from '../../../src/server/http.js';
import { Ask, Told, type Probe } from '../../conformance/probe.js';
import { serveHttp, type Served } from '../../support/http-server.js';
import { Raw } from '../../support/raw.js';

const MIB = 1024 * 1024;

@Message('hostile.Chunk')
class Chunk {
  @Field(1, 'bytes') data = new Uint8Array();
}

/** What a hostile caller would have busy for ever. */
@Service({ name: 'flood', package: 'hostile', endpoint: 'Flood' })
class Flood {
  made = 0;
  taken = 0;
  over: (reason: string) => void = () => {};

  @Handler(Ask, Chunk, { stream: 'server' })
  async *pour(_: Ask, context: Context): AsyncIterable<Chunk> {
    context.onCancel((reason) => this.over(reason.code));
    const data = new Uint8Array(64 * 1024);
    for (;;) {
      this.made++;
      yield Object.assign(new Chunk(), { data });
    }
  }

  @Handler(Ask, Chunk)
  async heap(): Promise<Chunk> {
    return Object.assign(new Chunk(), { data: new Uint8Array(16 * MIB) });
  }

  @Handler(Chunk, Told, { stream: 'client' })
  async swallow(chunks: AsyncIterable<Chunk>, context: Context): Promise<Told> {
    context.onCancel((reason) => this.over(reason.code));
    // One is read, and no more.
    for await (const _ of chunks) {
      this.taken++;
      await new Promise(() => {});
    }
    return new Told();
  }
}

async function having<T extends object = Probe>(
  options: HttpServerOptions,
  run: (served: Served<T>) => Promise<void>,
  type?: new () => T,
): Promise<void> {
  const served = await serveHttp<T>(options, type && { type });
  try {
    await run(served);
  } finally {
    await served.stop();
  }
}

/** That the server still serves others. */
async function serves(address: string): Promise<void> {
  const response = await fetch(`http://${address}/health`);
  assert.deepEqual(await response.json(), { status: 'ok' });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits until something stands still. */
async function still(count: () => number): Promise<void> {
  for (let before = -1, same = 0; same < 5;) {
    same = before === count() ? same + 1 : 0;
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function head(path: string, more: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
}

const ECHO = '/conformance.Probe/Echo';
const JSON_TYPE = 'Content-Type: application/json\r\n';

function post(address: string, path: string, type: string): ReturnType<typeof httpRequest> {
  return httpRequest(`http://${address}${path}`, { method: 'POST', headers: { 'content-type': type } });
}

describe('hostile callers of the http server', () => {
  it('a body over the limit is refused before it is there, and its connection is not kept', () =>
    having({ maxMessageBytes: 1_000 }, async ({ address }) => {
      const announced = await Raw.open(address);
      announced.write(head(ECHO, `${JSON_TYPE}Content-Length: 1000000000\r\n`));
      assert.match(await announced.until((text) => text.includes('}}')), / 429 .*resource_exhausted/s);
      await announced.end();
      const chunked = await Raw.open(address);
      chunked.write(head(ECHO, `${JSON_TYPE}Transfer-Encoding: chunked\r\n`));
      chunked.write(`800\r\n${'x'.repeat(2_048)}\r\n`);
      assert.match(await chunked.until((text) => text.includes('}}')), /1000 bytes \(maxMessageBytes\)/);
      await chunked.end();
      await serves(address);
    }));

  it('what unpacks to more than the limit is refused, in a body and in a stream', () =>
    having({ maxMessageBytes: 100_000 }, async ({ address }) => {
      const bomb = gzipSync(Buffer.alloc(50 * MIB)) as Uint8Array<ArrayBuffer>;
      const before = process.memoryUsage().rss;
      const unary = await fetch(`http://${address}${ECHO}`, {
        method: 'POST',
        body: bomb,
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      });
      assert.match(await unary.text(), /resource_exhausted.*unpacks to more than 100000 bytes/);
      const stream = await fetch(`http://${address}/conformance.Probe/Sum`, {
        method: 'POST',
        body: writeFrame(bomb, 1) as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': 'application/connect+json', 'connect-content-encoding': 'gzip' },
      });
      assert.match(await stream.text(), /resource_exhausted.*unpacks to more than 100000 bytes/);
      assert.ok(process.memoryUsage().rss - before < 40 * MIB);
    }));

  it('a message that is announced longer than the limit is refused', () =>
    having({}, async ({ address }) => {
      const response = await fetch(`http://${address}/conformance.Probe/Sum`, {
        method: 'POST',
        body: Buffer.concat([writePrefix(0xffffffff), Buffer.from('x')]) as Uint8Array<ArrayBuffer>,
        headers: { 'content-type': 'application/connect+json' },
      });
      assert.match(await response.text(), /resource_exhausted/);
    }));

  it('a header that does not come to its end, and a connection that says nothing, are closed', () =>
    having({ headerTimeoutMs: 100 }, async ({ address, logs }) => {
      const slow = await Raw.open(address);
      slow.write('POST /x HTTP/1.1\r\nHost: x\r\nA: ');
      assert.match(await slow.end(), / 408 .*headerTimeoutMs/s);
      const silent = await Raw.open(address);
      assert.equal(await silent.end(), '');
      const undecided = await Raw.open(address);
      undecided.write('PR');
      await undecided.end();
      assert.ok(logs.records.some(({ message }) => message === 'refused a connection'));
      await serves(address);
    }));

  it('a body that does not come to its end is not waited for', () =>
    having({ timeoutMs: 100 }, async ({ address }) => {
      const slow = await Raw.open(address);
      slow.write(head(ECHO, `${JSON_TYPE}Content-Length: 100\r\n`));
      slow.write('{');
      assert.match(await slow.until((text) => text.includes('}}')), /deadline_exceeded.*\(timeoutMs\)/s);
      await slow.end();
      await serves(address);
    }));

  it('a caller that sends on and on after its answer is cut', () =>
    having({ maxMessageBytes: 1_000 }, async ({ address }) => {
      const call = post(address, ECHO, 'application/json');
      const ended = new Promise<void>((resolve) => call.on('close', () => resolve()));
      call.on('error', () => {});
      const pump = setInterval(() => call.write(Buffer.alloc(1_000)), 5);
      const response = await new Promise<IncomingMessage>((resolve) => call.on('response', resolve));
      assert.equal(response.statusCode, 429);
      response.resume();
      await ended;
      clearInterval(pump);
    }));

  it('too long a header, and too many of them', () =>
    having({ maxHeaderBytes: 2_000, maxHeaders: 10 }, async ({ address }) => {
      const long = await Raw.open(address);
      long.write(head(ECHO, `A: ${'x'.repeat(5_000)}\r\n`));
      assert.match(await long.end(), / 431 .*maxHeaderBytes/s);
      const many = await Raw.open(address);
      many.write(head(ECHO, `${JSON_TYPE}Content-Length: 2\r\n${'A: b\r\n'.repeat(20)}`));
      many.write('{}');
      assert.match(await many.until((text) => text.includes('}}')), /resource_exhausted.*maxHeaders/s);
      many.close();
      await serves(address);
    }));

  it('one connection more than there may be is closed', () =>
    having({ maxConnections: 2 }, async ({ address }) => {
      const open = [await Raw.open(address), await Raw.open(address)];
      const more = await Raw.open(address);
      assert.equal(await more.end(), '');
      for (const raw of open) raw.close();
      await until(() => open.every(({ ended }) => ended));
    }));

  it('what is no HTTP at all', () =>
    having({}, async ({ address }) => {
      const hello = Buffer.from('160301020001000', 'hex');
      const texts = [
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame',
        'GET\r\n\r\n',
        '\r\n\r\n\0',
      ];
      for (const bytes of [hello, randomBytes(2_000), ...texts.map((text) => Buffer.from(text))]) {
        const raw = await Raw.open(address);
        raw.write(bytes);
        raw.socket.end();
        await raw.end();
        await serves(address);
      }
    }));

  it('who does not read has the producer wait, and is given up in time', () =>
    having(
      { timeoutMs: 500 },
      async ({ address, handlers }) => {
        const over = new Promise<string>((resolve) => (handlers.over = resolve));
        const call = post(address, '/hostile.Flood/Pour', 'application/connect+proto');
        call.on('error', () => {});
        call.on('response', (response) => response.on('error', () => {}).pause());
        call.end(writeFrame(Buffer.alloc(0)));
        await until(() => handlers.made > 0);
        await still(() => handlers.made);
        // What the sockets of both ends hold.
        assert.ok(handlers.made < 300, `${handlers.made} items of 64 KiB were made`);
        assert.equal(await over, 'cancelled');
        await serves(address);
      },
      Flood,
    ));

  it('who does not read of HTTP/2 has the producer wait', () =>
    having(
      { timeoutMs: 500 },
      async ({ address, handlers }) => {
        const over = new Promise<string>((resolve) => (handlers.over = resolve));
        const session = connectHttp2(`http://${address}`);
        session.on('error', () => {});
        const stream = session.request({
          ':method': 'POST',
          ':path': '/hostile.Flood/Pour',
          'content-type': 'application/connect+proto',
        });
        stream.on('error', () => {});
        stream.end(writeFrame(Buffer.alloc(0)));
        await until(() => handlers.made > 0);
        await still(() => handlers.made);
        assert.ok(handlers.made < 40, `${handlers.made} items of 64 KiB were made`);
        assert.equal(await over, 'cancelled');
        session.destroy();
        await serves(address);
      },
      Flood,
    ));

  for (const version of ['1.1', '2'] as const)
    it(`a reply that nobody takes is given up in time, HTTP/${version}`, () =>
      having(
        { timeoutMs: 300, maxMessageBytes: 32 * MIB },
        async ({ address, service }) => {
          const path = '/hostile.Flood/Heap';
          const headers = { 'content-type': 'application/proto' };
          let got = 0;
          const closed = new Promise<void>((resolve) => {
            if (version === '2') {
              const session = connectHttp2(`http://${address}`);
              session.on('error', () => {});
              const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
              stream
                .on('error', () => {})
                .on('close', () => {
                  session.destroy();
                  resolve();
                });
              stream.end();
              setTimeout(() => stream.on('data', (chunk: Buffer) => (got += chunk.length)), 1_000);
            } else {
              const call = post(address, path, headers['content-type']);
              call.on('error', () => {}).on('close', () => resolve());
              call.on('response', (response) => {
                response.on('error', () => {});
                response.on('data', (chunk: Buffer) => (got += chunk.length)).pause();
                setTimeout(() => response.resume(), 1_000);
              });
              call.end();
            }
          });
          await closed;
          assert.ok(got < 16 * MIB, `${got} bytes came`);
          assert.ok(service.server.node !== undefined);
          await serves(address);
        },
        Flood,
      ));

  it('who sends more than is read has to wait', () =>
    having(
      { streamIdleMs: 400 },
      async ({ address, handlers }) => {
        const over = new Promise<string>((resolve) => (handlers.over = resolve));
        const call = post(address, '/hostile.Flood/Swallow', 'application/connect+proto');
        call.on('error', () => {});
        const item = writeFrame(
          Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x04]), Buffer.alloc(64 * 1024)]),
        );
        let written = 0;
        const pump = (): void => {
          while (call.write(item)) written++;
          written++;
        };
        call.on('drain', pump);
        pump();
        await until(() => handlers.taken > 0);
        await still(() => written);
        assert.equal(handlers.taken, 1);
        assert.ok(written < 300, `${written} items of 64 KiB left`);
        // Behind what was not read nobody sees that the caller has gone.
        call.destroy();
        assert.equal(await over, 'deadline_exceeded');
        await serves(address);
      },
      Flood,
    ));

  it('many streams of HTTP/2 that are taken back at once', () =>
    having({}, async ({ address }) => {
      const session = connectHttp2(`http://${address}`);
      session.on('error', () => {});
      for (let n = 0; n < 5_000 && !session.destroyed; n++) {
        const stream = session.request({
          ':method': 'POST',
          ':path': ECHO,
          'content-type': 'application/json',
        });
        stream.on('error', () => {});
        stream.close(constants.NGHTTP2_CANCEL);
        if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      session.destroy();
      await serves(address);
    }));

  it('a caller of HTTP/2 that does not answer is given up', () =>
    having({ keepaliveMs: 100 }, async ({ address, handlers }) => {
      const raw = await Raw.open(address);
      const empty = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
      raw.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), empty]));
      await raw.end();
      assert.equal(handlers.calls, 0);
      await serves(address);
    }));
});
