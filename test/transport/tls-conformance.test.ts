import { describe, test } from 'node:test';
import type { Logger } from '../../src/core/logger.js';
import type { Provider } from '../../src/core/provider.js';
import { SystemClock } from '../../src/core/system-clock.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { grpc, GrpcTransport } from '../../src/transport/grpc.js';
import { http, HttpTransport } from '../../src/transport/http.js';
import { tcp, TcpTransport } from '../../src/transport/tcp.js';
import type { Transport } from '../../src/transport/transport.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { identity, newAuthority } from '../conformance/tls/identities.js';
import { transportSuite } from '../conformance/transport.js';
import { transportTlsSuite, type TlsSubject } from '../conformance/transport-tls.js';
import { parts } from '../support/parts.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';

const authority = newAuthority();
const ONE_WAY: TlsOptions = { ca: authority.cert, ...identity(authority, 'server') };
const MUTUAL: TlsOptions = { ...ONE_WAY, clientAuth: 'require' };

type Made = (options: { tls?: TlsOptions }, parts: { clock: SystemClock; logger: Logger }) => Transport;

const TRANSPORTS: readonly (readonly [
  string,
  Made,
  (options: { tls: TlsOptions }) => Provider<Transport>,
])[] = [
  ['http', (options, given) => new HttpTransport(options, given), http],
  ['tcp', (options, given) => new TcpTransport(options, given), tcp],
  ['grpc', (options, given) => new GrpcTransport(options, given), grpc],
];

for (const [name, make, provider] of TRANSPORTS) {
  const subject = (as: (made: Transport) => Transport): TlsSubject => ({
    make: (tls, logger) => as(make(tls === undefined ? {} : { tls }, { clock: new SystemClock(), logger })),
  });
  describe(`the ${name} transport with the option tls`, () => {
    conform(test, transportTlsSuite, () => subject((made) => made));
  });
  describe(`a wrapped ${name} transport with the option tls`, () => {
    conform(test, transportTlsSuite, () => subject(wrapped));
  });
  for (const [how, tls] of [
    ['TLS', ONE_WAY],
    ['mutual TLS', MUTUAL],
  ] as const)
    describe(`the ${name} transport over ${how}`, () => {
      conform(test, transportSuite, () => make({ tls }, parts()));
    });
  describe(`a wrapped ${name} transport over TLS`, () => {
    conform(test, transportSuite, () => wrapped(make({ tls: ONE_WAY }, parts())));
  });
  describe(`RpcClient over ${name} with TLS`, () => {
    conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
      rpcSubject(provider({ tls: ONE_WAY }), 'application/protobuf'),
    );
  });
  describe(`RpcServer over ${name} with mutual TLS`, () => {
    conform<ServerSubject, typeof serverSuite>(test, serverSuite, () =>
      rpcSubject(provider({ tls: MUTUAL }), 'application/json'),
    );
  });
}
