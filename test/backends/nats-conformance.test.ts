import { after, before, describe, test } from 'node:test';
import { NatsTransport, nats } from '../../src/transport/nats.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { transportSuite } from '../conformance/transport.js';
import { NatsServer } from '../support/nats-server.js';
import { parts } from '../support/parts.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';

let server: NatsServer;
before(async () => {
  server = await NatsServer.start();
});
after(() => server.stop());

describe('NatsTransport', () => {
  conform(test, transportSuite, () => new NatsTransport({ addresses: [server.address] }, parts()));
});

describe('a wrapped NatsTransport', () => {
  conform(test, transportSuite, () => wrapped(new NatsTransport({ addresses: [server.address] }, parts())));
});

function subject(): ServerSubject {
  return rpcSubject(nats({ addresses: [server.address] }), 'application/protobuf');
}

describe('RpcClient over nats', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, subject);
});

describe('RpcServer over nats', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, subject);
});
