import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { connect, createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { OctavoError } from '../../src/core/error.js';
import { EMPTY, type Message } from '../../src/core/message.js';
import { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { readError } from '../../src/core/wire-error.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { HttpTransport, type HttpTransportOptions } from '../../src/transport/http.js';
import type { Listener, Socket } from '../../src/transport/transport.js';
import { Authority } from '../support/certificates.js';
import { Raw } from '../support/raw.js';

const authority = await Authority.make();
const stranger = await Authority.make('somebody else');
const { ca } = authority;
const server = await authority.issue('server');
const client = await authority.issue('client', { san: 'URI:spiffe://octavo/client,DNS:client.local' });
const renewed = await authority.issue('renewed');
const expired = await authority.issue('expired', { expired: true });
const unknown = await stranger.issue('unknown');

const logger = new TestLogger();
let opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.reverse()) await close();
  opened = [];
  logger.records.length = 0;
});

async function transport(
  tls?: TlsOptions,
  more: HttpTransportOptions = {},
  clock = new SystemClock() as SystemClock | VirtualClock,
): Promise<HttpTransport> {
  const made = new HttpTransport({ ...more, ...(tls !== undefined && { tls }) }, { clock, logger });
  opened.push(() => made.stop());
  await made.start();
  return made;
}

/** Answers with what the certificate of the caller says. */
async function answer(socket: Socket): Promise<void> {
  const message = await socket.receive();
  if (message === undefined) return socket.close();
  const body = Buffer.from(JSON.stringify(socket.certificate ?? 'nobody'));
  await socket.send({ header: new Metadata({ 'Content-Type': 'application/json' }), body });
  socket.close();
}

async function listen(tls?: TlsOptions, more: HttpTransportOptions = {}): Promise<Listener> {
  const probes = { healthy: () => true, ready: () => true };
  return (await transport(tls, more)).listen('127.0.0.1:0', (socket) => void answer(socket), { probes });
}

async function call(from: HttpTransport, address: string): Promise<Message | undefined> {
  const socket = await from.dial(address);
  try {
    await socket.send({
      header: new Metadata({ 'Micro-Service': 'x', Octavo: '1' }),
      body: Buffer.from('a body'),
    });
    return await socket.receive();
  } finally {
    socket.close();
  }
}

function text(message: Message | undefined): string {
  return Buffer.from(message?.body ?? []).toString();
}

/** What the answer says went wrong. */
function errorIn(message: Message | undefined): OctavoError {
  return readError(message?.header.get('Micro-Error') ?? '');
}

async function unopened(dialling: Promise<unknown>, pattern: RegExp): Promise<void> {
  await assert.rejects(dialling, (error) => {
    assert.ok(error instanceof OctavoError);
    assert.match(error.message, pattern);
    assert.deepEqual([error.code, error.executed], ['unavailable', false]);
    return true;
  });
}

/** A TLS client that is none of ours, and the end of what it gets. */
async function foreign(address: string, options: ConnectionOptions, request = ''): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(address.split(':')[1]), ...options });
  opened.push(() => socket.destroy());
  let all = '';
  socket.on('data', (bytes: Buffer) => (all += bytes.toString()));
  socket.on('secureConnect', () => socket.write(request));
  await new Promise<void>((resolve, reject) => {
    socket.once('end', resolve);
    socket.once('error', reject);
  });
  return all;
}

/** Waits for a condition that the event loop brings about. */
async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 5_000 && !condition(); turn++)
    await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(condition());
}

function logged(pattern: RegExp): readonly string[] {
  return logger.records
    .map(({ message, fields }) => `${message} ${String((fields['error'] as Error | undefined)?.message)}`)
    .filter((line) => pattern.test(line));
}

describe('the http transport over TLS', () => {
  it('takes PEM text, paths, bytes and several authorities', async () => {
    const [cert, key] = [readFileSync(server.cert), readFileSync(server.key, 'utf8')];
    const { address } = await listen({ cert, key });
    for (const authorities of [readFileSync(ca), readFileSync(ca, 'utf8'), [stranger.ca, readFileSync(ca)]])
      assert.equal(text(await call(await transport({ ca: authorities }), address)), '"nobody"');
  });

  it('serves probes and mounted routes, which see https', async () => {
    const { address } = await listen(server, {
      routes: (app) => void app.get('/mine', async ({ protocol, ip }) => ({ protocol, ip })),
    });
    const get = (path: string): Promise<string> =>
      foreign(
        address,
        { ca: readFileSync(ca) },
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
    assert.match(await get('/health'), /^HTTP\/1\.1 200 OK[^]*\{"status":"ok"\}$/);
    assert.match(await get('/mine'), /\{"protocol":"https","ip":"127\.0\.0\.1"\}$/);
  });

  it('verifies nothing where it is told so, and says so in the log', async () => {
    const { address } = await listen({ ...unknown });
    const caller = await transport({ ca, verify: false });
    assert.equal(text(await call(caller, address)), '"nobody"');
    assert.equal(logged(/^certificates are not verified/).length, 1);
  });
});

/** Where a server listens. */
async function bound(listening: Server): Promise<string> {
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  opened.push(() => listening.close());
  // A TCP server that listens has an address with a port.
  return `127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

describe('a handshake that fails', () => {
  it('names a server that wants another certificate, whoever wrote it', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3', 'TLSv1.3', 'TLSv1.3'] as const) {
      const strict = createTlsServer({
        ca: readFileSync(ca),
        cert: readFileSync(server.cert),
        key: readFileSync(server.key),
        requestCert: true,
        maxVersion,
      });
      const address = await bound(strict);
      await unopened(
        call(await transport({ ca }), address),
        /wants a certificate of ours.*set tls\.cert and tls\.key/,
      );
    }
  });

  it('with a port that speaks without TLS says so at both ends, once a minute in the log', async () => {
    const { address } = await listen();
    const caller = await transport({ ca });
    for (let n = 0; n < 3; n++)
      await unopened(call(caller, address), /does not speak TLS: set tls there, or leave it out here/);
    await until(
      () => logged(/^refused a connection .*it is TLS, and this port speaks without it/).length === 1,
    );
  });

  it('with one that breaks it off, or never ends it, is bounded and was not executed', async () => {
    const broken = createServer((socket) => socket.destroy());
    await unopened(call(await transport({ ca }), await bound(broken)), /broke off the TLS handshake/);
    const silent = createServer((socket) => opened.push(() => socket.destroy()));
    const caller = await transport({ ca });
    await assert.rejects(
      async () => caller.dial(await bound(silent), { timeoutMs: 50 }),
      (error) =>
        error instanceof OctavoError &&
        error.code === 'deadline_exceeded' &&
        error.executed === false &&
        /its TLS handshake did not end/.test(error.message),
    );
  });
});

describe('a port that takes TLS only', () => {
  it('tells who dials it in plain text what to do, in the form of the request, once a minute in the log', async () => {
    const { address } = await listen(server);
    const caller = await transport();
    for (let n = 0; n < 3; n++) {
      const { code, executed, message } = errorIn(await call(caller, address));
      assert.deepEqual([code, executed], ['unavailable', false]);
      assert.match(
        message,
        new RegExp(`^${address} takes TLS only: give the http transport of the caller the option tls`),
      );
    }
    for (const request of ['GET /health HTTP/1.1\r\nHost: x\r\n\r\n', 'garbage\r\n\r\n']) {
      const raw = await Raw.open(address);
      raw.write(request);
      assert.match(await raw.end(), /^HTTP\/1\.1 503 Service Unavailable[^]*takes TLS only/);
    }
    assert.equal(logged(/^refused a connection .*takes TLS only/).length, 1);
  });

  it('ends a connection on which no handshake is done in time', async () => {
    const { address } = await listen(server, { headerTimeoutMs: 50 });
    const silent = await Raw.open(address);
    const begun = await Raw.open(address);
    begun.write('\x16\x03\x01');
    assert.deepEqual([await silent.end(), await begun.end()], ['', '']);
    assert.equal(logged(/no TLS handshake was done within 50 ms \(headerTimeoutMs\)/).length, 1);
  });

  it('holds no more handshakes open than connections', async () => {
    const { address } = await listen(server, { maxConnections: 2 });
    const held = [await Raw.open(address), await Raw.open(address)];
    for (const each of held) each.write('\x16');
    const over = await Raw.open(address);
    assert.equal(await over.end(), '');
    for (const each of held) each.close();
    // Those who left in the middle are not counted any more.
    const caller = await transport({ ca });
    let got = '';
    for (let n = 0; n < 200 && got === ''; n++)
      got = text(await call(caller, address).catch(() => undefined));
    assert.equal(got, '"nobody"');
  });

  it('is closed by a stop, whatever hands are being shaken', async () => {
    const made = await transport(server);
    const { address } = await made.listen('127.0.0.1:0', () => {});
    const raw = await Raw.open(address);
    raw.write('\x16\x03\x01');
    const ended = raw.end();
    await made.stop();
    assert.equal(await ended, '');
  });

  it('answers a request whose handshake was under way when its listener closed', async () => {
    const listener = await listen(server);
    const tcp = connectTcp({ host: '127.0.0.1', port: Number(listener.address.split(':')[1]) });
    await new Promise((resolve) => tcp.once('connect', resolve));
    // What a listener that just closed has accepted, but heard nothing of yet.
    await call(await transport({ ca }), listener.address);
    const closed = listener.close();
    const tls = connect({ socket: tcp, host: '127.0.0.1', ca: readFileSync(ca) });
    opened.push(() => tls.destroy());
    const got = new Promise<string>((resolve) =>
      tls.once('data', (bytes: Buffer) => resolve(bytes.toString())),
    );
    tls.write('POST / HTTP/1.1\r\nMicro-Service: x\r\nContent-Length: 0\r\n\r\n');
    assert.match(await got, /^HTTP\/1\.1 200 OK[^]*"nobody"$/);
    await closed;
  });
});

describe('a port that asks for a certificate of the caller', () => {
  const require: TlsOptions = { ca, ...server, clientAuth: 'require' };

  it('shows it to whoever serves', async () => {
    const { address } = await listen(require);
    const { subject, san, fingerprint256 } = JSON.parse(
      text(await call(await transport({ ca, ...client }), address)),
    ) as {
      subject: string;
      san: string[];
      fingerprint256: string;
    };
    assert.deepEqual([subject, san], ['CN=client', ['URI:spiffe://octavo/client', 'DNS:client.local']]);
    assert.match(fingerprint256, /^[\dA-F]{2}(?::[\dA-F]{2}){31}$/);
  });

  it('tells who has none what to do, and serves nothing', async () => {
    const { address } = await listen(require);
    const { code, executed, message } = errorIn(await call(await transport({ ca }), address));
    assert.deepEqual([code, executed], ['unauthenticated', false]);
    assert.match(
      message,
      /a certificate of the caller is asked for \(tls\.clientAuth\): set tls\.cert and tls\.key/,
    );
    assert.equal(logged(/^refused a connection .*is asked for/).length, 1);
    const health = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
    assert.match(
      await foreign(address, { ca: readFileSync(ca) }, health),
      /^HTTP\/1\.1 401 [^]*is asked for/,
    );
  });

  it('refuses one that it cannot check, also where none is required', async () => {
    for (const clientAuth of ['require', 'request'] as const) {
      const { address } = await listen({ ...require, clientAuth });
      const with_ = async (pair: { cert: string; key: string }): Promise<string> => {
        const options = { ca: readFileSync(ca), cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
        return foreign(
          address,
          options,
          'POST / HTTP/1.1\r\nMicro-Service: x\r\nContent-Length: 5\r\n\r\nhello',
        );
      };
      assert.match(
        await with_(unknown),
        /"code":401[^\n]*CN=unknown[^\n]*is refused \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/,
      );
      assert.match(await with_(expired), /"code":401[^\n]*CN=expired[^\n]*is refused \(CERT_HAS_EXPIRED\)/);
    }
  });

  it('serves who has none, as nobody, where it only requests one', async () => {
    const { address } = await listen({ ...require, clientAuth: 'request' });
    assert.equal(text(await call(await transport({ ca }), address)), '"nobody"');
    assert.match(text(await call(await transport({ ca, ...client }), address)), /"CN=client"/);
  });

  it('refuses who resumes a session without one', async () => {
    const { address } = await listen(require);
    const port = Number(address.split(':')[1]);
    let session: Buffer | undefined;
    const health = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const visit = async (): Promise<{ socket: TLSSocket; said: string }> => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(ca), ...(session && { session }) });
      opened.push(() => socket.destroy());
      socket.on('session', (ticket: Buffer) => (session = ticket));
      socket.write(health);
      let said = '';
      socket.on('data', (bytes: Buffer) => (said += bytes.toString()));
      await new Promise((resolve) => socket.once('end', resolve));
      return { socket, said };
    };
    assert.match((await visit()).said, /^HTTP\/1\.1 401/);
    assert.ok(session !== undefined);
    const { socket, said } = await visit();
    assert.equal(socket.isSessionReused(), true);
    assert.match(said, /^HTTP\/1\.1 401/);
  });
});

describe('certificates that are replaced while a listener runs', () => {
  it('are shown to new connections, and those that are open go on', async () => {
    const pair = { cert: join(authority.folder, 'now.pem'), key: join(authority.folder, 'now.key') };
    await Promise.all([copyFile(server.cert, pair.cert), copyFile(server.key, pair.key)]);
    const clock = new VirtualClock();
    const made = await transport(pair, { headerTimeoutMs: 0, idleMs: 0 }, clock);
    const { address } = await made.listen('127.0.0.1:0', (socket) => void answer(socket));
    const port = Number(address.split(':')[1]);
    const subject = async (): Promise<{ socket: TLSSocket; cn: string }> => {
      const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(ca) });
      opened.push(() => socket.destroy());
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      return { socket, cn: socket.getPeerX509Certificate()?.subject ?? '' };
    };
    const before = await subject();
    assert.equal(before.cn, 'CN=server');
    await Promise.all([copyFile(renewed.cert, pair.cert), copyFile(renewed.key, pair.key)]);
    assert.equal((await subject()).cn, 'CN=server');
    await clock.advance(60_000);
    assert.equal((await subject()).cn, 'CN=renewed');
    before.socket.write('POST / HTTP/1.1\r\nMicro-Service: x\r\nContent-Length: 0\r\n\r\n');
    const got = await new Promise<string>((resolve) =>
      before.socket.once('data', (bytes: Buffer) => resolve(bytes.toString())),
    );
    assert.match(got, /"nobody"$/);
  });

  it('of callers, too', async () => {
    const pair = { cert: join(authority.folder, 'caller.pem'), key: join(authority.folder, 'caller.key') };
    await Promise.all([copyFile(client.cert, pair.cert), copyFile(client.key, pair.key)]);
    const { address } = await listen({ ca, ...server, clientAuth: 'require' });
    const clock = new VirtualClock();
    const caller = await transport({ ca, ...pair }, {}, clock);
    assert.match(text(await call(caller, address)), /"CN=client"/);
    await Promise.all([copyFile(server.cert, pair.cert), copyFile(server.key, pair.key)]);
    await clock.advance(60_000);
    const socket = await caller.dial(address, { stream: true });
    await socket.send({ header: new Metadata({ 'Micro-Service': 'x', 'Micro-Stream': '1' }), body: EMPTY });
    assert.match(text(await socket.receive()), /"CN=server"/);
    socket.close();
  });
});

describe('the log', () => {
  it('says who can reach a listener without TLS', async () => {
    const made = await transport();
    await made.listen('127.0.0.1:0', () => {});
    assert.deepEqual(
      logger.records.map(({ level, message }) => [level, message]),
      [['info', 'the http transport listens on loopback only, without TLS']],
    );
    await made.listen('0.0.0.0:0', () => {});
    assert.equal(logger.records[1]?.level, 'warn');
    assert.match(logger.records[1]?.message ?? '', /where others can read and change what is sent: set tls/);
  });

  it('says nothing of one with TLS', async () => {
    await (await transport(server)).listen('0.0.0.0:0', () => {});
    assert.deepEqual(logger.records, []);
  });
});
