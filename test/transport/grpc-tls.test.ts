import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, describe, it, test } from 'node:test';
import { connect } from 'node:tls';
import { OctavoError, type Code } from '../../src/core/error.js';
import { Metadata } from '../../src/core/metadata.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { grpc, GrpcTransport, type GrpcTransportOptions } from '../../src/transport/grpc.js';
import type { Listener, Socket } from '../../src/transport/transport.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { transportSuite } from '../conformance/transport.js';
import { Authority } from '../support/certificates.js';
import { parts } from '../support/parts.js';
import { Raw } from '../support/raw.js';
import { rpcSubject } from '../support/rpc-subject.js';

const authority = await Authority.make();
const stranger = await Authority.make('somebody else');
const { ca } = authority;
const server = await authority.issue('server');
const client = await authority.issue('client');
const unknown = await stranger.issue('unknown');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:elsewhere.example' });

const ONE_WAY: GrpcTransportOptions = { tls: { ca, ...server } };
const MUTUAL: GrpcTransportOptions = { tls: { ca, ...server, clientAuth: 'require' } };

describe('GrpcTransport over TLS', () => {
  conform(test, transportSuite, () => new GrpcTransport(ONE_WAY, parts()));
});

describe('GrpcTransport over mutual TLS', () => {
  conform(test, transportSuite, () => new GrpcTransport(MUTUAL, parts()));
});

describe('RpcClient over grpc with TLS', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    rpcSubject(grpc(ONE_WAY), 'application/protobuf'),
  );
});

describe('RpcServer over grpc with mutual TLS', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () =>
    rpcSubject(grpc(MUTUAL), 'application/json'),
  );
});

const logger = new TestLogger();
let opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.reverse()) await close();
  opened = [];
  logger.records.length = 0;
});

async function transport(tls?: TlsOptions, more: GrpcTransportOptions = {}): Promise<GrpcTransport> {
  const made = new GrpcTransport(
    { ...more, ...(tls !== undefined && { tls }) },
    { clock: new SystemClock(), logger },
  );
  opened.push(() => made.stop());
  await made.start();
  return made;
}

/** Listens, and answers with what the certificate of the caller says. */
async function listen(tls?: TlsOptions, more: GrpcTransportOptions = {}): Promise<Listener> {
  const made = await transport(tls, more);
  return made.listen('127.0.0.1:0', (socket: Socket) => {
    void socket.send({ header: new Metadata(), body: Buffer.from(socket.certificate?.subject ?? 'nobody') });
    socket.close();
  });
}

async function call(from: GrpcTransport, address: string): Promise<string> {
  const socket = await from.dial(address);
  await socket.send({ header: new Metadata({ 'Micro-Service': 'x' }), body: Buffer.from('a body') });
  const reply = await socket.receive();
  socket.close();
  return Buffer.from(reply?.body ?? []).toString();
}

async function unopened(
  dialling: Promise<unknown>,
  pattern: RegExp,
  code: Code = 'unavailable',
): Promise<void> {
  await assert.rejects(dialling, (error) => {
    assert.ok(error instanceof OctavoError);
    assert.match(error.message, pattern);
    assert.deepEqual([error.code, error.executed], [code, false]);
    return true;
  });
}

function refusals(): string {
  return logger.records.map(({ fields }) => String(fields['error'])).join('\n');
}

describe('the grpc transport over TLS', () => {
  it('carries calls for who trusts its authority, and says that it is secure', async () => {
    const { address, secure } = await listen(server);
    assert.equal(secure, true);
    const caller = await transport({ ca });
    assert.equal(await call(caller, address), 'nobody');
    assert.equal(await call(caller, address.replace('127.0.0.1', 'localhost')), 'nobody');
  });

  it('shows the certificate of the caller to whoever serves', async () => {
    const { address } = await listen({ ca, ...server, clientAuth: 'require' });
    assert.equal(await call(await transport({ ca, ...client }), address), 'CN=client');
  });

  it('shows no key in its options', async () => {
    const { options } = await transport({ ca, ...server, key: readFileSync(server.key) });
    assert.deepEqual(options.tls, { ca, ...server, key: '(secret)' });
  });

  for (const [what, theirs, ours, pattern] of [
    ['an authority that is not known', unknown, { ca }, /is signed by nobody in tls\.ca/],
    ['a certificate for another host', elsewhere, { ca }, /is for somebody else/],
  ] as const)
    it(`names ${what}, and the remedy`, async () => {
      const { address } = await listen(theirs);
      await unopened(call(await transport(ours), address), pattern);
    });

  it('tells a caller without a certificate, or with one of a stranger, what to do', async () => {
    const { address } = await listen({ ca, ...server, clientAuth: 'require' });
    await unopened(
      call(await transport({ ca }), address),
      /set tls\.cert and tls\.key of the caller/,
      'unauthenticated',
    );
    await unopened(
      call(await transport({ ca, ...unknown }), address),
      /the caller's certificate "?CN=unknown"? is refused/,
      'unauthenticated',
    );
    assert.match(refusals(), /is asked for/);
  });

  it('tells who dials in plain text what to do', async () => {
    const { address } = await listen(server);
    await unopened(
      call(await transport(), address),
      /takes TLS only: give the grpc transport of the caller the option tls/,
    );
  });

  it('is told when the other end speaks without TLS', async () => {
    const { address } = await listen();
    await unopened(
      call(await transport({ ca }), address),
      /does not speak TLS: set tls there, or leave it out here/,
    );
  });

  it('is not dialled in plain text where its node says that it takes TLS only', async () => {
    const { address } = await listen(server);
    const caller = await transport();
    await unopened(
      (async () => caller.dial(address, { secure: true }))(),
      /takes TLS only, as its node says/,
    );
  });

  it('is not dialled or listened on before its start', async () => {
    const made = new GrpcTransport(ONE_WAY, { clock: new SystemClock(), logger });
    for (const use of [() => made.dial('127.0.0.1:1'), () => made.listen('127.0.0.1:0', () => {})])
      await assert.rejects(async () => use(), /the grpc transport is not started: call start\(\) first/);
  });

  it('bounds a handshake that does not end, at both ends', async () => {
    const { address } = await listen(server, { headerTimeoutMs: 50 });
    const raw = await Raw.open(address);
    raw.write(Buffer.of(0x16));
    await raw.end();
    assert.match(refusals(), /no TLS handshake was done within 50 ms/);
    const silent = createServer((socket) => opened.push(() => socket.destroy()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    opened.push(() => silent.close());
    const bound = silent.address();
    const port = typeof bound === 'object' ? bound?.port : 0;
    const caller = await transport({ ca });
    await unopened(
      (async () => caller.dial(`127.0.0.1:${port}`, { timeoutMs: 50 }))(),
      /took longer than 50 ms/,
      'deadline_exceeded',
    );
  });

  it('ends the handshake of who does not speak HTTP/2', async () => {
    const { address } = await listen(server);
    const socket = connect({
      host: '127.0.0.1',
      port: Number(address.split(':')[1]),
      ca: readFileSync(ca),
      ALPNProtocols: ['http/1.1'],
    });
    opened.push(() => socket.destroy());
    await assert.rejects(once(socket, 'secureConnect'), /no application protocol/);
  });
});
