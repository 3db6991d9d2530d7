import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { HttpTransport, type HttpTransportOptions } from '../../src/transport/http.js';
import type { Listener, Socket } from '../../src/transport/transport.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';

const PROBES = { healthy: () => true, ready: () => false };

/** Answers each message with its body, as JSON; an error for the body `fail`. */
async function echo(socket: Socket): Promise<void> {
  const message = await socket.receive();
  if (message === undefined) return socket.close();
  const header = new Metadata({
    'Content-Type': 'application/json',
    'Foo-Bar': message.header.get('foo-bar'),
  });
  if (Buffer.from(message.body).toString() === 'fail')
    header.set('Micro-Error', '{"id":"x","code":404,"detail":"no such thing","status":"Not Found"}');
  await socket.send({ header, body: message.body });
  socket.close();
}

async function withListener(
  run: (listener: Listener, transport: HttpTransport) => Promise<void>,
  options: HttpTransportOptions = {},
  accept: (socket: Socket) => void = (socket) => void echo(socket),
): Promise<void> {
  const transport = new HttpTransport(options, parts());
  const listener = await transport.listen('127.0.0.1:0', accept, { probes: PROBES });
  try {
    await run(listener, transport);
  } finally {
    await transport.stop();
  }
}

const MICRO = 'POST / HTTP/1.1\r\nMicro-Service: x\r\nMicro-Endpoint: A.B\r\n';

function request(head: string, body: string): string {
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}

async function once(address: string, text: string): Promise<string> {
  const raw = await Raw.open(address);
  raw.write(text);
  const answer = await raw.until((all) => all.includes('\r\n\r\n'));
  raw.close();
  return answer;
}

async function call(transport: HttpTransport, address: string, body: string): Promise<Message | undefined> {
  const socket = await transport.dial(address);
  await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: Buffer.from(body) });
  const reply = await socket.receive();
  socket.close();
  return reply;
}

describe('the port of the http transport', () => {
  it('answers a message with go-micro headers by 200, whatever its path and method', () =>
    withListener(async ({ address }) => {
      for (const start of ['POST /', 'GET /', 'PUT /health?x=1'])
        assert.match(
          await once(address, request(`${start} HTTP/1.1\r\nMicro-Endpoint: A.B\r\n`, 'hi')),
          /^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\n/,
        );
    }));

  it('says an error of a go-micro call in Micro-Error, with 200', () =>
    withListener(async ({ address }) => {
      const answer = await once(address, request(MICRO, 'fail'));
      assert.match(answer, /^HTTP\/1\.1 200 OK/);
      assert.match(answer, /Micro-Error: \{"id":"x","code":404/);
    }));

  it('answers a plain call by the status of the error table and a JSON error', () =>
    withListener(async ({ address }) => {
      const plain = 'POST /pack.age.Greeter/Hello HTTP/1.1\r\nContent-Type: application/json\r\n';
      const fine = await once(address, request(plain, '{}'));
      assert.match(fine, /^HTTP\/1\.1 200 OK/);
      assert.match(fine, /Content-Type: application\/json\r\n\r\n\{\}$/);
      const answer = await once(address, request(plain, 'fail'));
      assert.match(answer, /^HTTP\/1\.1 404 Not Found/);
      assert.match(answer, /\{"code":"not_found","message":"no such thing"\}/);
    }));

  it('serves probes and mounted routes, also between calls on one connection', () =>
    withListener(
      async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
        await raw.until((text) => text.endsWith('{"status":"ok"}'));
        raw.write(request(MICRO, 'between'));
        await raw.until((text) => text.endsWith('between'));
        raw.write(request('POST /mine HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n', '{"a":1}'));
        await raw.until((text) => text.endsWith('{"got":{"a":1}}'));
        raw.write(`GET /ready HTTP/1.1\r\nHost: x\r\n\r\n${request(MICRO, 'pipelined')}`);
        const text = await raw.until((all) => all.endsWith('pipelined'));
        assert.match(
          text,
          /HTTP\/1\.1 503 Service Unavailable[^]*\{"status":"unavailable"\}HTTP\/1\.1 200 OK[^]*pipelined$/,
        );
        raw.write('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
        assert.match(await raw.end(), /HTTP\/1\.1 404 Not Found/);
      },
      { routes: (app) => void app.post('/mine', async ({ body }) => ({ got: body })) },
    ));

  it('shows a mistake in mounted routes at start', async () => {
    const routes = (): void => {
      throw new Error('my mistake');
    };
    await assert.rejects(
      withListener(async () => {}, { routes }),
      /my mistake/,
    );
  });

  it('names an address in use and the remedy', () =>
    withListener(async ({ address }, transport) => {
      await assert.rejects(
        transport.listen(address, () => {}),
        (error) =>
          error instanceof OctavoError &&
          error.code === 'unavailable' &&
          error.message.includes(address) &&
          error.message.includes('MICRO_SERVER_ADDRESS'),
      );
    }));
});

describe('a hostile peer of the http transport', () => {
  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['a malformed start line', 'nonsense\r\n\r\n', /^HTTP\/1\.1 400 Bad Request/],
    ['a header over the limit', `GET / HTTP/1.1\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`, /^HTTP\/1\.1 429 /],
    [
      'a plain body over the limit',
      'POST /a.B/C HTTP/1.1\r\nContent-Length: 1001\r\n\r\n',
      /^HTTP\/1\.1 429 /,
    ],
    [
      'a go-micro body over the limit',
      `${MICRO}Content-Length: 1001\r\n\r\n`,
      /^HTTP\/1\.1 200 OK[^]*Micro-Error: \{[^\n]*"code":429/,
    ],
    [
      'a smuggled request',
      `${MICRO}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      /^HTTP\/1\.1 400 Bad Request/,
    ],
  ];
  for (const [what, text, answer] of refused)
    it(`is told about ${what} and cut off, and nobody else is`, () =>
      withListener(
        async ({ address }, transport) => {
          const raw = await Raw.open(address);
          raw.write(text);
          assert.match(await raw.end(), answer);
          assert.equal(Buffer.from((await call(transport, address, 'on'))?.body ?? EMPTY).toString(), 'on');
        },
        { maxMessageBytes: 1_000 },
      ));

  it('that never sends the body it announced is cut off in time', () =>
    withListener(
      async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write(`${MICRO}Content-Length: 10\r\n\r\nabc`);
        assert.match(await raw.end(), /deadline|did not end within 50 ms/);
      },
      { timeoutMs: 50 },
    ));

  it('that sends ahead is served one call after the other', () =>
    withListener(async ({ address }) => {
      const raw = await Raw.open(address);
      raw.write(Array.from({ length: 200 }, (_, n) => request(MICRO, `<${n}>`)).join(''));
      const text = await raw.until((all) => all.includes('<199>'));
      assert.deepEqual(
        [...text.matchAll(/<(\d+)>/g)].map(([, n]) => Number(n)),
        Array.from({ length: 200 }, (_, n) => n),
      );
      raw.close();
    }));

  it('that mixes something into its stream is cut off', () =>
    withListener(
      async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write(request(`${MICRO}Micro-Stream: 1\r\n`, 'x') + request(`${MICRO}Micro-Stream: 2\r\n`, 'y'));
        await raw.end();
      },
      {},
      () => {},
    ));

  it('that goes away ends the socket of its call', async () => {
    let gone: (() => void) | undefined;
    const left = new Promise<void>((resolve) => (gone = resolve));
    await withListener(
      async ({ address }) => {
        const raw = await Raw.open(address);
        raw.write(request(MICRO, 'x'));
        await raw.until(() => true);
        raw.close();
        await left;
      },
      {},
      (socket) => socket.onClose(() => gone?.()),
    );
  });
});

describe('a connection over which much has come at once', () => {
  it('leaves a turn to others after each small part of it', async () => {
    let accepted = (_socket: Socket): void => {};
    const far = new Promise<Socket>((resolve) => (accepted = resolve));
    await withListener(
      async ({ address }, transport) => {
        const near = await transport.dial(address, { stream: true });
        const item = {
          header: new Metadata({ 'Micro-Service': 'x', 'Micro-Stream': '1' }),
          body: Buffer.alloc(1_000),
        };
        let sent = 0;
        for (let waiting = false; !waiting; sent++) {
          const soon = new Promise<'soon'>((resolve) => setTimeout(resolve, 100, 'soon'));
          waiting = (await Promise.race([near.send(item), soon])) === 'soon';
        }
        const socket = await far;
        let inTurn = 0;
        let most = 0;
        let immediate = setImmediate(function turn() {
          most = Math.max(most, inTurn);
          inTurn = 0;
          immediate = setImmediate(turn);
        });
        for (let n = 0; n < sent; n++) {
          const message = await socket.receive();
          inTurn += message?.body.length ?? 0;
        }
        clearImmediate(immediate);
        assert.ok(sent * 1_000 > 1_000_000, `only ${sent} messages were under way`);
        assert.ok(most < 400_000, `${most} bytes came in one turn`);
        near.close();
        socket.close();
      },
      {},
      (socket) => accepted(socket),
    );
  });
});

describe('a connection that the http transport opened', () => {
  it('carries one call after the other', () =>
    withListener(async ({ address }, transport) => {
      const locals = new Set<string>();
      for (let n = 0; n < 5; n++) {
        const socket = await transport.dial(address);
        locals.add(socket.local);
        await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: Buffer.from(String(n)) });
        assert.equal(Buffer.from((await socket.receive())?.body ?? EMPTY).toString(), String(n));
        socket.close();
      }
      assert.equal(locals.size, 1);
    }));

  it('is not used again after a call that was given up', () =>
    withListener(
      async ({ address }, transport) => {
        const first = await transport.dial(address);
        await first.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: Buffer.from('slow') });
        first.close();
        const second = await transport.dial(address);
        assert.notEqual(second.local, first.local);
        second.close();
      },
      {},
      () => {},
    ));

  for (const [what, extra] of [
    ['a second reply', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'],
    ['what is no HTTP', '\0\0\0\0'],
  ] as const)
    it(`is not used again where ${what} came with the reply, and the call has its own`, async () => {
      const { createServer } = await import('node:net');
      const reply = (body: string): string =>
        `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      let connections = 0;
      const server = createServer((tcp) => {
        const own = reply(`<${++connections}>`);
        tcp.on('data', () => tcp.write(own + extra)).on('error', () => {});
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const transport = new HttpTransport({}, parts());
      try {
        const address = server.address();
        assert.ok(typeof address === 'object' && address !== null);
        for (let n = 1; n <= 3; n++) {
          const socket = await transport.dial(`127.0.0.1:${address.port}`);
          await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: EMPTY });
          const body = await new Promise<string>((resolve, failed) =>
            socket.receiveInto?.({
              received: (message) => {
                socket.close();
                resolve(Buffer.from(message?.body ?? []).toString());
              },
              failed,
            }),
          );
          assert.equal(body, `<${n}>`);
        }
      } finally {
        await transport.stop();
        server.close();
      }
    });

  it('tells an HTTP server that is no peer by its status', async () => {
    const { createServer } = await import('node:http');
    const server = createServer((_, response) => void response.writeHead(503).end('overloaded'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const transport = new HttpTransport({}, parts());
    try {
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      await assert.rejects(
        call(transport, `127.0.0.1:${address.port}`, 'x'),
        (error) =>
          error instanceof OctavoError &&
          error.code === 'unavailable' &&
          /503: overloaded/.test(error.message),
      );
    } finally {
      await transport.stop();
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('the end of a listener', () => {
  const OCTAVO = `${MICRO}Octavo: 1\r\n`;

  it('tells an Octavo peer on a connection that is free, and answers what it had sent', () =>
    withListener(async (listener) => {
      const raw = await Raw.open(listener.address);
      raw.write(request(OCTAVO, 'one'));
      await raw.until((all) => all.endsWith('one'));
      const closed = listener.close();
      await raw.until((all) => /Octavo-Frame: goaway\r\n/.test(all));
      raw.write(request(OCTAVO, 'two'));
      const all = await raw.end();
      assert.match(all, /two$/);
      raw.close();
      await closed;
    }));

  it('closes a connection that is free to anybody else at once', () =>
    withListener(async (listener) => {
      const raw = await Raw.open(listener.address);
      raw.write(request(MICRO, 'one'));
      await raw.until((all) => all.endsWith('one'));
      await listener.close();
      assert.doesNotMatch(await raw.end(), /goaway/);
      raw.close();
    }));

  it('waits for an Octavo peer that does not go no longer than a moment', () =>
    withListener(async (listener) => {
      const raw = await Raw.open(listener.address);
      raw.write(request(OCTAVO, 'one'));
      await raw.until((all) => all.endsWith('one'));
      await listener.close();
      await raw.until((all) => /goaway/.test(all));
      await raw.end();
      raw.close();
    }));
});
