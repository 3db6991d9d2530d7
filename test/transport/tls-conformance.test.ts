import { describe, test } from 'node:test';
import { http, HttpTransport, type HttpTransportOptions } from '../../src/transport/http.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { transportSuite } from '../conformance/transport.js';
import { Authority } from '../support/certificates.js';
import { parts } from '../support/parts.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server');

const ONE_WAY: HttpTransportOptions = { tls: { ca, ...server } };
const MUTUAL: HttpTransportOptions = { tls: { ca, ...server, clientAuth: 'require' } };

describe('HttpTransport over TLS', () => {
  conform(test, transportSuite, () => new HttpTransport(ONE_WAY, parts()));
});

describe('HttpTransport over mutual TLS', () => {
  conform(test, transportSuite, () => new HttpTransport(MUTUAL, parts()));
});

describe('a wrapped HttpTransport over TLS', () => {
  conform(test, transportSuite, () => wrapped(new HttpTransport(ONE_WAY, parts())));
});

describe('RpcClient over http with TLS', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, () =>
    rpcSubject(http(ONE_WAY), 'application/protobuf'),
  );
});

describe('RpcServer over http with mutual TLS', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, () =>
    rpcSubject(http(MUTUAL), 'application/json'),
  );
});
