import { after, before, describe, test } from 'node:test';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { RabbitTransport, rabbitmq } from '../../src/transport/rabbitmq.js';
import { brokerSuite } from '../conformance/broker.js';
import { clientSuite, type CallSubject } from '../conformance/client.js';
import { conform } from '../conformance/conform.js';
import { serverSuite, type ServerSubject } from '../conformance/server.js';
import { transportSuite } from '../conformance/transport.js';
import { parts } from '../support/parts.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { rpcSubject } from '../support/rpc-subject.js';
import { wrapped } from '../support/wrapped.js';
import { serviceEvents } from './support/service-events.js';

let server: RabbitServer;
before(async () => {
  server = await RabbitServer.start();
  // Durable queues outlive what was tested: each suite has a world of its own.
  for (const vhost of ['bare', 'wrapped']) await server.vhost(vhost);
});
after(() => server.stop());

function broker(vhost: string): RabbitBroker {
  return new RabbitBroker({ addresses: [server.address], vhost }, parts());
}

describe('RabbitBroker', () => {
  conform(test, brokerSuite, () => broker('bare'));
});

describe('a wrapped RabbitBroker', () => {
  conform(test, brokerSuite, () => wrapped(broker('wrapped')));
});

describe('subscribers of a service on the rabbitmq broker', () => {
  serviceEvents(test, () => ({ MICRO_BROKER: 'rabbitmq', MICRO_BROKER_ADDRESS: server.address }));
});

const transport = (): RabbitTransport => new RabbitTransport({ addresses: [server.address] }, parts());

describe('RabbitTransport', () => {
  conform(test, transportSuite, transport);
});

describe('a wrapped RabbitTransport', () => {
  conform(test, transportSuite, () => wrapped(transport()));
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
