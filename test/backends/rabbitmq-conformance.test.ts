import { after, before, describe, test } from 'node:test';
import { RabbitTransport, rabbitmq } from '../../src/transport/rabbitmq.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { transportSuite } from '../conformance/transport.js';
import { parts } from '../support/parts.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
});
after(() => server.stop());

const make = (): RabbitTransport => new RabbitTransport({ addresses: [server.address] }, parts());

describe('RabbitTransport', () => {
  conform(test, transportSuite, make);
});

describe('a wrapped RabbitTransport', () => {
  conform(test, transportSuite, () => wrapped(make()));
});

function subject(): ServerSubject {
  return rpcSubject(rabbitmq({ addresses: [server.address] }), 'application/protobuf');
}

describe('RpcClient over rabbitmq', () => {
  conform<CallSubject, typeof clientSuite>(test, clientSuite, subject);
});

describe('RpcServer over rabbitmq', () => {
  conform<ServerSubject, typeof serverSuite>(test, serverSuite, subject);
});
