import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, it } from 'node:test';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { parseAddress } from '../../src/core/address.js';
import { OctavoError } from '../../src/core/error.js';
import type { LogRecord } from '../../src/core/logger.js';
import { Metadata } from '../../src/core/metadata.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { HttpTransport, http, type HttpTransportOptions } from '../../src/transport/http.js';
import type { Socket } from '../../src/transport/transport.js';
import { Probe, ProbeClient } from '../conformance/probe.js';
import { Raw } from '../support/raw.js';

interface Victim {
  readonly address: string;
  readonly probe: Probe;
  readonly client: ProbeClient;
  readonly clock: VirtualClock;
  /** What was logged of refusals. */
  readonly refusals: () => LogRecord[];
}

/** A service on the http transport whose time stands still, and a client of it that must not notice anything. */
async function attacking(
  run: (victim: Victim) => Promise<void>,
  options: HttpTransportOptions = {},
): Promise<void> {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  const service = createService({
    services: [Probe],
    registry: memoryRegistry(),
    broker: memoryBroker(),
    transport: http(options),
    clock: () => clock,
    logger: () => logger,
    env: {},
  });
  await service.start();
  const client = service.resolve(ProbeClient);
  try {
    await run({
      address: service.server.node?.address ?? '',
      probe: service.resolve(Probe),
      client,
      clock,
      refusals: () => logger.records.filter(({ message }) => message === 'refused a connection'),
    });
    assert.equal((await client.echo({ text: 'unharmed' })).text, 'unharmed');
  } finally {
    await service.stop();
  }
}

/** Turns of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const PLAIN = 'POST /conformance.Probe/Echo HTTP/1.1\r\nContent-Type: application/json\r\n';
const CALL = `${PLAIN}Content-Length: 2\r\n\r\n{}`;

describe('a request that a proxy might read differently', () => {
  const smuggled: readonly (readonly [string, string])[] = [
    ['a length and an encoding', `Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${CALL}`],
    ['an encoding and a length', `Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n${CALL}`],
    ['two lengths', `Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}${CALL}`],
    ['one length twice', `Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}${CALL}`],
    ['a list of lengths', `Content-Length: 2, 2\r\n\r\n{}${CALL}`],
    ['a length with a sign', `Content-Length: +2\r\n\r\n{}${CALL}`],
    ['a bare LF', `A: b\nContent-Length: 2\r\n\r\n{}${CALL}`],
    ['a bare CR', `A: b\rContent-Length: 2\r\n\r\n{}${CALL}`],
    ['a NUL', `A: b\0\r\nContent-Length: 2\r\n\r\n{}${CALL}`],
    ['a folded header', `A: b\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\n{}${CALL}`],
    ['white space before a colon', `Content-Length : 2\r\n\r\n{}${CALL}`],
    ['white space before a name', ` Content-Length: 2\r\n\r\n{}${CALL}`],
    ['a chunk extension', `Transfer-Encoding: chunked\r\n\r\n2;a="\n"\r\n{}\r\n0\r\n\r\n${CALL}`],
    ['a chunk size with a sign', `Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n${CALL}`],
    ['a chunk that is longer than it says', `Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n${CALL}`],
    ['trailers', `Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n${CALL}`],
    ['the encoding identity', `Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}${CALL}`],
    ['an encoding that nobody knows', `Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n${CALL}`],
    ['a list of encodings', `Transfer-Encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n${CALL}`],
    ['an encoding twice', `Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${CALL}`],
    ['an encoding behind a control character', `Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${CALL}`],
  ];
  for (const [what, rest] of smuggled)
    it(`by ${what} gets 400, and what is behind it is not served`, () =>
      attacking(async ({ address, probe, refusals }) => {
        for (let n = 0; n < 3; n++) {
          const raw = await Raw.open(address);
          raw.write(PLAIN + rest);
          const answer = await raw.end();
          assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
          assert.equal(answer.match(/HTTP\/1\.1 \d/g)?.length, 1);
        }
        assert.equal(probe.calls, 0);
        assert.equal(refusals().length, 1);
        assert.equal(refusals()[0]?.fields['source'], '127.0.0.1');
      }));

  it('of HTTP/1.0 with an encoding gets 400', () =>
    attacking(async ({ address }) => {
      const raw = await Raw.open(address);
      raw.write(`${PLAIN.replace('1.1', '1.0')}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${CALL}`);
      assert.match(await raw.end(), /^HTTP\/1\.1 400 /);
    }));

  it('by a scheme and host in its target is the call that it names', () =>
    attacking(async ({ address }) => {
      const raw = await Raw.open(address);
      raw.write(CALL.replace('/conformance', 'http://elsewhere:1/conformance'));
      await raw.until((text) => text.endsWith('{}\n'));
      raw.write('GET http://elsewhere/health HTTP/1.1\r\nHost: a\r\n\r\n');
      await raw.until((text) => text.endsWith('{"status":"ok"}'));
      raw.write('POST http://elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
      assert.match(await raw.until((text) => text.includes('Micro-Error')), /names no endpoint/);
      raw.close();
    }));

  for (const start of ['CONNECT a:1', 'FOO /', 'OPTIONS *', 'TRACE /', 'GET /../../etc/passwd', 'GET //a/b'])
    it(`${start} is answered or closed`, () =>
      attacking(async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write(`${start} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
        assert.match(await raw.end(), /^$|^HTTP\/1\.1 4\d\d /);
      }));
});

describe('a peer that speaks something else', () => {
  const others: readonly (readonly [string, string, RegExp])[] = [
    ['HTTP/0.9', 'GET /\r\n', /no? .*start line|start line/],
    ['lines that end with LF', 'GET / HTTP/1.1\nHost: a\n\n', /without CR/],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /HTTP\/2/],
    ['Redis', '*1\r\n$4\r\nPING\r\n', /start line/],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n', /start line/],
    ['nothing but empty lines', '\r\n'.repeat(1_000), /empty lines/],
  ];
  for (const [what, text, why] of others)
    it(`such as ${what} is told so at once`, () =>
      attacking(async ({ address, refusals }) => {
        const raw = await Raw.open(address);
        raw.write(text);
        assert.match(await raw.end(), /^HTTP\/1\.1 400 /);
        assert.match(String(refusals()[0]?.fields['error']), why);
      }));

  it('such as TLS is closed at once, and the log says what it was', () =>
    attacking(async ({ address, refusals }) => {
      const { host, port } = parseAddress(address);
      const tls = connectTls({ host, port });
      await new Promise<void>((resolve) => tls.once('error', () => resolve()));
      assert.match(String(refusals()[0]?.fields['error']), /it is TLS, and this port speaks without it/);
    }));

  it('such as an HTTP/2 client is closed at once, and the log says what it was', () =>
    attacking(async ({ address, refusals }) => {
      const session = connectHttp2(`http://${address}`);
      await new Promise<void>((resolve) => session.once('error', () => resolve()));
      session.destroy();
      assert.match(String(refusals()[0]?.fields['error']), /it is HTTP\/2/);
    }));
});

describe('a peer that sends too much', () => {
  const floods: readonly (readonly [string, () => string])[] = [
    ['headers', () => PLAIN + 'A: b\r\n'.repeat(1_000)],
    ['bytes of a header', () => `${PLAIN}A: ${'b'.repeat(1_000_000)}`],
    ['headers that never end', () => PLAIN + 'Aaaaaaaaaaaaaaaa: b\r\n'.repeat(50_000)],
    ['start line', () => `GET /${'a'.repeat(1_000_000)}`],
    ['body, by its length', () => `${PLAIN}Content-Length: 99999999999\r\n\r\n`],
    ['body, by its chunk', () => `${PLAIN}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`],
  ];
  for (const [what, flood] of floods)
    it(`of ${what} gets 429, and is logged once`, () =>
      attacking(async ({ address, refusals }) => {
        for (let n = 0; n < 3; n++) {
          const raw = await Raw.open(address);
          raw.write(`${flood()}\r\n\r\n`);
          assert.match(await raw.end(), /^HTTP\/1\.1 429 /);
        }
        assert.equal(refusals().length, 1);
      }));

  it('of calls, and reads no reply, is served no further than it reads', async () => {
    const clock = new VirtualClock();
    const transport = new HttpTransport({}, { clock, logger: new TestLogger() });
    let served = 0;
    const large = Buffer.alloc(100_000, 'a');
    const serve = (socket: Socket): void => {
      served++;
      void socket.send({ header: new Metadata(), body: large });
      socket.close();
    };
    const { address } = await transport.listen('127.0.0.1:0', serve);
    const { host, port } = parseAddress(address);
    const tcp = connect({ host, port });
    tcp.pause();
    const closed = new Promise<void>((resolve) => tcp.once('close', () => resolve()));
    tcp.on('error', () => {});
    tcp.write(CALL.repeat(2_000));
    // It stands still.
    let before = -1;
    while (before !== served) {
      before = served;
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(served > 0 && served < 200, `${served} of 2,000 calls were served`);
    // Whoever never reads is cut off.
    await clock.advance(60_000);
    tcp.resume();
    await closed;
    await transport.stop();
    assert.ok(served < 200);
  });

  it('behind a call, with a name as long as a header, harms nothing', () =>
    attacking(async ({ address, probe }) => {
      const raw = await Raw.open(address);
      raw.write(CALL.replace('Echo', 'Wait'));
      const release = await probe.waiting.next();
      raw.write(`POST / HTTP/1.1\r\nMicro-Endpoint: A.B\r\nMicro-Service: ${'é'.repeat(20_000)}\r\n\r\n`);
      release();
      const answer = await raw.until((text) => text.includes('Micro-Error: ') && text.endsWith('\r\n\r\n'));
      assert.match(answer, /"code":501/);
      raw.close();
    }));
});

describe('a peer that takes its time', () => {
  /** Waits until the server has begun to wait for what it has not got. */
  async function waited(clock: VirtualClock): Promise<void> {
    const before = clock.pending;
    await until(() => clock.pending > before);
  }

  it('with its first header is told, and cut off after headerTimeoutMs, however it trickles', () =>
    attacking(async ({ address, clock, refusals }) => {
      const raw = await Raw.open(address);
      const waiting = waited(clock);
      raw.write('POST / HTTP/1.1\r\nA: ');
      await waiting;
      for (let n = 0; n < 9; n++) {
        await clock.advance(1_000);
        raw.write('b');
      }
      await clock.advance(999);
      assert.equal(raw.ended, false);
      await clock.advance(1);
      assert.match(await raw.end(), /HTTP\/1\.1 504 [^]*a header began and did not end/);
      assert.equal(refusals().length, 1);
      assert.match(String(refusals()[0]?.fields['error']), /within 10000 ms \(headerTimeoutMs\)/);
    }));

  it('with a later header is told, and cut off after headerTimeoutMs', () =>
    attacking(async ({ address, clock }) => {
      const raw = await Raw.open(address);
      raw.write(CALL);
      await raw.until((text) => text.endsWith('{}\n'));
      const waiting = waited(clock);
      raw.write('POST / HTTP/1.1\r\nA: ');
      await waiting;
      await clock.advance(10_000);
      assert.match(await raw.end(), /\{\}\nHTTP\/1\.1 504 [^]*a header began and did not end/);
    }));

  it('with a body is told, and cut off after timeoutMs', () =>
    attacking(async ({ address, clock }) => {
      const raw = await Raw.open(address);
      raw.write(`${PLAIN}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
      await raw.until((text) => text.includes('100 Continue'));
      for (let n = 0; n < 59; n++) {
        raw.write('a');
        await clock.advance(1_000);
      }
      assert.equal(raw.ended, false);
      await clock.advance(1_000);
      assert.match(
        await raw.end(),
        /HTTP\/1\.1 504 [^]*a message began and did not end within 60000 ms \(timeoutMs\)/,
      );
    }));

  it('and says nothing at all is closed after headerTimeoutMs and a little, without an answer', () =>
    attacking(async ({ address, clock, refusals }) => {
      const raw = await Raw.open(address);
      // It is there when one that came after it is.
      const later = await Raw.open(address);
      later.write(CALL);
      await later.until((text) => text.endsWith('{}\n'));
      later.close();
      await clock.advance(20_000);
      assert.equal(await raw.end(), '');
      assert.match(String(refusals()[0]?.fields['error']), /nothing came within 10000 ms/);
    }));

  it('between two calls is closed after idleMs, not sooner, and nobody complains', () =>
    attacking(async ({ address, clock, refusals }) => {
      const raw = await Raw.open(address);
      raw.write(CALL);
      await raw.until((text) => text.endsWith('{}\n'));
      await clock.advance(119_000);
      raw.write(CALL);
      await raw.until((text) => text.endsWith('{}\n') && text.match(/200 OK/g)?.length === 2);
      await clock.advance(119_000);
      assert.equal(raw.ended, false);
      await clock.advance(21_000);
      await raw.end();
      assert.deepEqual(refusals(), []);
    }));
});

describe('connections', () => {
  it('over maxConnections are closed as they come, and there is room again when others go', () =>
    attacking(
      async ({ address, refusals }) => {
        const held = await Promise.all(Array.from({ length: 10 }, () => Raw.open(address)));
        for (const raw of held) {
          raw.write(CALL);
          await raw.until((text) => text.endsWith('{}\n'));
        }
        for (let n = 0; n < 20; n++) {
          const raw = await Raw.open(address);
          assert.equal(await raw.end(), '');
        }
        assert.equal(refusals().length, 1);
        assert.match(String(refusals()[0]?.fields['error']), /10 connections are open \(maxConnections\)/);
        for (const raw of held) raw.close();
        let served = '';
        while (!served.includes('200 OK')) {
          const raw = await Raw.open(address);
          raw.write(CALL);
          served = await raw.until((text) => raw.ended || text.endsWith('{}\n')).catch(() => '');
          raw.close();
        }
      },
      { maxConnections: 10 },
    ));

  // Both ends are here. All that a listener takes by itself need a while: OCTAVO_SLOW=1 npm test -- hostile
  const count = Math.min(
    process.env['OCTAVO_SLOW'] === undefined ? 2_000 : 10_000,
    Math.floor((openFiles() - 400) / 2),
  );
  it(`${count} of them that are idle cost little, disturb nobody, and are closed in time`, (t) =>
    attacking(async ({ address, client, clock }) => {
      const before = process.memoryUsage().rss;
      const sockets: TcpSocket[] = [];
      let open = 0;
      while (sockets.length < count)
        sockets.push(
          ...(await Promise.all(
            Array.from({ length: Math.min(250, count - sockets.length) }, () => idle(address, () => open--)),
          )),
        );
      open = sockets.length;
      assert.equal((await client.echo({ text: 'still' })).text, 'still');
      const each = (process.memoryUsage().rss - before) / count / 1_024;
      t.diagnostic(`${count} connections, both ends of them in this process: ${each.toFixed(1)} KiB each`);
      assert.ok(each < 40, `${each} KiB each`);
      await clock.advance(20_000);
      await until(() => open === 0);
    }));

  it('of a listener that is not told where are taken from this machine only', () =>
    attacking(async ({ address }) => {
      assert.match(address, /^127\.0\.0\.1:/);
      const { port } = parseAddress(address);
      // Another address of this machine: whoever listens on every interface answers there.
      await assert.rejects(Raw.open(`127.0.0.2:${port}`), /ECONNREFUSED/);
    }));
});

describe('metadata with a line break', () => {
  for (const value of ['a\r\nMicro-Error: b', 'a\nb', 'a\rb', 'a\0b'])
    it(`is not sent: ${JSON.stringify(value)}`, () =>
      attacking(async ({ client, probe }) => {
        await assert.rejects(
          client.echo({ text: 'a' }, { metadata: { foo: value } }),
          (error) => error instanceof OctavoError && error.code === 'invalid_argument',
        );
        assert.equal(probe.calls, 0);
      }));
});

describe('a stream', () => {
  const item = 'POST / HTTP/1.1\r\nMicro-Service: x\r\nMicro-Stream: 1\r\nContent-Length: 1\r\n\r\na';

  async function stream(
    accept: (socket: Socket) => void,
    run: (raw: Raw, refusals: () => readonly LogRecord[]) => Promise<void>,
  ): Promise<void> {
    const logger = new TestLogger();
    const transport = new HttpTransport({}, { clock: new VirtualClock(), logger });
    const { address } = await transport.listen('127.0.0.1:0', accept);
    try {
      await run(await Raw.open(address), () =>
        logger.records.filter(({ message }) => message === 'refused a connection'),
      );
    } finally {
      await transport.stop();
    }
  }

  it('whose handler takes nothing notices that its caller left, behind more than fits', async () => {
    let accepted: Socket | undefined;
    let gone: (() => void) | undefined;
    const left = new Promise<void>((resolve) => (gone = resolve));
    await stream(
      (socket) => {
        accepted = socket;
        socket.onClose(() => gone?.());
      },
      async (raw) => {
        raw.write(item.repeat(200));
        await until(() => accepted !== undefined);
        // In pieces, so that the connection is read from while nothing is taken.
        for (let n = 0; n < 5; n++) {
          raw.write(item.repeat(100));
          await new Promise((resolve) => setImmediate(resolve));
        }
        raw.socket.end();
        await left;
        // What was sent before the end is there all the same.
        let count = 0;
        while ((await accepted?.receive()) !== undefined) count++;
        assert.equal(count, 700);
      },
    );
  });

  it('whose caller mixes something in is cut off, and that is logged', () =>
    stream(
      () => {},
      async (raw, refusals) => {
        raw.write(item + CALL);
        await raw.end();
        assert.match(String(refusals()[0]?.fields['error']), /mixed/);
      },
    ));

  it('that is refused by a throw costs its own connection', () =>
    stream(
      () => {
        throw new Error('a bug of ours');
      },
      async (raw, refusals) => {
        raw.write(item);
        await raw.end();
        assert.match(String(refusals()[0]?.fields['error']), /a bug of ours/);
      },
    ));
});

/** How many files and sockets this process may have open. */
function openFiles(): number {
  // A report of Node's has the limits of the process, which its types leave out.
  const { userLimits } = process.report.getReport() as unknown as {
    userLimits: { open_files: { soft: number | 'unlimited' } };
  };
  const { soft } = userLimits.open_files;
  return soft === 'unlimited' ? Infinity : soft;
}

function idle(address: string, onClose: () => void): Promise<TcpSocket> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const tcp = connect({ host, port }, () => resolve(tcp));
    tcp.on('error', reject);
    tcp.on('close', onClose);
    tcp.resume();
  });
}
