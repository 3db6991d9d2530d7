import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { OctavoError, type Code } from '../../src/core/error.js';
import type { Logger } from '../../src/core/logger.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { GrpcTransport } from '../../src/transport/grpc.js';
import { HttpTransport } from '../../src/transport/http.js';
import { TcpTransport } from '../../src/transport/tcp.js';
import type { Transport, TransportOptions } from '../../src/transport/transport.js';
import { identity, newAuthority, selfSigned } from '../conformance/tls/identities.js';
import { ANY, call, echo, message } from '../conformance/transport/talk.js';
import { Raw } from '../support/raw.js';

interface Options extends TransportOptions {
  readonly tls?: TlsOptions;
  readonly headerTimeoutMs?: number;
}
type Made = (options: Options, parts: { clock: SystemClock; logger: Logger }) => Transport;

const TRANSPORTS = {
  http: (options, parts) => new HttpTransport(options, parts),
  tcp: (options, parts) => new TcpTransport(options, parts),
  grpc: (options, parts) => new GrpcTransport(options, parts),
} satisfies Record<string, Made>;

const authority = newAuthority();
const ca = authority.cert;
const server = identity(authority, 'server');
const unknown = identity(newAuthority('somebody else'), 'unknown');
const elsewhere = identity(authority, 'elsewhere', { san: ['DNS:elsewhere.example'] });

const logger = new TestLogger();
let opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.reverse()) await close();
  opened = [];
  logger.records.length = 0;
});

async function started(make: Made, tls?: TlsOptions, more: Options = {}): Promise<Transport> {
  const made = make({ ...more, ...(tls !== undefined && { tls }) }, { clock: new SystemClock(), logger });
  opened.push(() => made.stop?.());
  await made.start?.();
  return made;
}

async function unopened(dialling: () => unknown, says: RegExp, code: Code = 'unavailable'): Promise<void> {
  await assert.rejects(
    async () => dialling(),
    (error) => {
      assert.ok(error instanceof OctavoError);
      assert.match(error.message, says);
      assert.deepEqual([error.code, error.executed], [code, false]);
      return true;
    },
  );
}

function refusals(): string {
  return logger.records.map(({ fields }) => String(fields['error'])).join('\n');
}

/** A TLS client that speaks HTTP/1.1. */
function browser(address: string): ReturnType<typeof connect> {
  const port = Number(address.split(':')[1]);
  const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols: ['http/1.1'] });
  opened.push(() => socket.destroy());
  return socket;
}

for (const [name, make] of Object.entries(TRANSPORTS))
  describe(`the ${name} transport over TLS`, () => {
    for (const [what, theirs, ours, says] of [
      [
        'an authority that is not known',
        unknown,
        { ca },
        / is signed by nobody in tls\.ca: put its authority there/,
      ],
      ['Node’s own authorities, which do not know it', server, {}, / is signed by nobody in tls\.ca/],
      [
        'a certificate that vouches for itself',
        selfSigned(),
        { ca },
        / is self-signed: put that certificate into tls\.ca/,
      ],
      [
        'a certificate for another host',
        elsewhere,
        { ca },
        / is for somebody else: .*127\.0\.0\.1 is not in the cert's list.*set tls\.serverName/,
      ],
    ] as const)
      it(`names ${what}, and the remedy`, async () => {
        const listener = await (await started(make, theirs)).listen(ANY, echo);
        const caller = await started(make, ours);
        const named = new RegExp(`${listener.address}${says.source}`);
        await unopened(() => call(caller, listener, message('x')), named);
      });

    it('shows no key in its options', () => {
      const { options } = make({ tls: { ca, ...server } }, { clock: new SystemClock(), logger }) as {
        readonly options?: Options;
      };
      assert.deepEqual(options?.tls, { ca, ...server, key: '(secret)' });
    });

    it('is not dialled or listened on before its start', async () => {
      const made = make({ tls: { ca, ...server } }, { clock: new SystemClock(), logger });
      for (const use of [() => made.dial('127.0.0.1:1'), () => made.listen(ANY, () => {})])
        await assert.rejects(
          async () => use(),
          new RegExp(`the ${name} transport is not started: call start\\(\\) first`),
        );
    });

    it('bounds a handshake that does not end, at both ends', async () => {
      const { address } = await (await started(make, server, { headerTimeoutMs: 50 })).listen(ANY, echo);
      const raw = await Raw.open(address);
      raw.write(Buffer.of(0x16));
      await raw.end();
      assert.match(refusals(), /no TLS handshake was done within 50 ms/);
      const silent = createServer((socket) => opened.push(() => socket.destroy()));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      opened.push(() => silent.close());
      // What listens on TCP has an address with a port.
      const { port } = silent.address() as AddressInfo;
      const caller = await started(make, { ca });
      await unopened(
        () => caller.dial(`127.0.0.1:${port}`, { timeoutMs: 50 }),
        /took longer than 50 ms/,
        'deadline_exceeded',
      );
    });
  });

describe('who speaks HTTP over TLS', () => {
  it('is answered in HTTP by the tcp transport', async () => {
    const { address } = await (await started(TRANSPORTS.tcp, server)).listen(ANY, echo);
    const socket = browser(address);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    let all = '';
    for await (const bytes of socket) all += String(bytes);
    assert.match(all, /^HTTP\/1\.1 400 Bad Request\r\n[^]*not HTTP/);
  });

  it('and not HTTP/2 does not come to the end of the handshake with the grpc transport', async () => {
    const { address } = await (await started(TRANSPORTS.grpc, server)).listen(ANY, echo);
    await assert.rejects(once(browser(address), 'secureConnect'), /no application protocol/);
  });

  it('or HTTP without TLS, is told by http and tcp that they take TLS only', async () => {
    for (const [make, status] of [
      [TRANSPORTS.http, '503 Service Unavailable'],
      [TRANSPORTS.tcp, '400 Bad Request'],
    ] as const) {
      const { address } = await (await started(make, server)).listen(ANY, echo);
      const raw = await Raw.open(address);
      raw.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(await raw.end(), new RegExp(`^HTTP/1\\.1 ${status}\r\n[^]*takes TLS only`));
    }
  });
});
