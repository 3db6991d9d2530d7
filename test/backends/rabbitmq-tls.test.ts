import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { RabbitBroker, type RabbitBrokerOptions } from '../../src/broker/rabbitmq.js';
import { RabbitConnections } from '../../src/core/rabbitmq-connection.js';
import { RabbitTransport } from '../../src/transport/rabbitmq.js';
import { ANY, echo } from '../conformance/transport/talk.js';
import { Authority, type Pair } from '../support/certificates.js';
import { freePorts } from '../support/free-port.js';
import { failure, works } from '../support/nats-bench.js';
import { parts } from '../support/parts.js';
import { event, Events, RabbitBrokers } from '../support/rabbit-brokers.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { reloads } from './support/tls-reload.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server', { san: 'IP:127.0.0.1' });
const client = await authority.issue('client');
const other = await (await Authority.make()).issue('other');
const [plain] = await freePorts(1);
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:localhost,DNS:rabbit.example' });

/** A server that asks for a certificate, and checks the one that it is shown. */
function over({ cert, key }: Pair): string[] {
  return [
    'listeners.tcp = none',
    'listeners.ssl.default = 127.0.0.1:{port}',
    `ssl_options.cacertfile = ${ca}`,
    `ssl_options.certfile = ${cert}`,
    `ssl_options.keyfile = ${key}`,
    'ssl_options.verify = verify_peer',
    'ssl_options.fail_if_no_peer_cert = false',
  ];
}

async function withServer(
  config: readonly string[],
  run: (brokers: RabbitBrokers, at: RabbitServer) => Promise<void>,
): Promise<void> {
  const at = await RabbitServer.start({ config });
  try {
    await RabbitBrokers.with(at, (brokers) => run(brokers, at));
  } finally {
    await at.stop();
  }
}

async function refused(brokers: RabbitBrokers, options: RabbitBrokerOptions): Promise<string> {
  const error = await failure(() => brokers.make({ ...options, connectTimeoutMs: 300 }).start());
  assert.equal(error.code, 'unavailable');
  return error.message;
}

async function carries(broker: RabbitBroker): Promise<void> {
  const events = new Events();
  await broker.subscribe('topic', events.handler);
  await broker.publish('topic', event('x'));
  await events.holds((texts) => texts.length === 1);
}

describe('the rabbitmq broker and its certificates', () => {
  reloads({
    start: (pair) => RabbitServer.start({ config: over(pair) }),
    make: (address, tls) =>
      new RabbitBroker({ addresses: [address], tls }, { ...parts(), connections: new RabbitConnections() }),
    works: (broker) => broker.publish('topic', event('x')),
  });
});

describe('the rabbitmq broker and transport over TLS', () => {
  it('trusts a server by an authority that it is given, and shows its own certificate', () =>
    withServer(over(server), async (brokers, at) => {
      for (const given of [ca, readFileSync(ca, 'utf8'), readFileSync(ca)])
        await carries(await brokers.started({ tls: { ca: given } }));
      await carries(await brokers.started({ tls: { verify: false } }));
      assert.doesNotMatch(await at.control('list_connections', 'peer_cert_subject'), /client/);
      const own = { cert: readFileSync(client.cert), key: readFileSync(client.key, 'utf8') };
      await carries(await brokers.started({ tls: { ca, ...own } }));
      assert.match(await at.control('list_connections', 'peer_cert_subject'), /client/);
      const transport = new RabbitTransport({ addresses: [at.address], tls: { ca, ...own } }, parts());
      await transport.start();
      await works(transport, await transport.listen(ANY, echo));
      await transport.stop();
      const stranger = await refused(brokers, { addresses: [`amqps://${at.address}`] });
      assert.match(stranger, /is signed by nobody in tls\.ca: put its authority there/);
      const unknown = { cert: other.cert, key: other.key };
      assert.match(
        await refused(brokers, { tls: { ca, ...unknown } }),
        /does not know who signed our certificate/,
      );
      const unread = await failure(() => brokers.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(unread.code, 'failed_precondition');
      assert.match(
        unread.message,
        /tls\.ca of the rabbitmq broker \(\/nowhere\/ca\.pem\): the file cannot be read/,
      );
      assert.match(await refused(brokers, {}), /found no RabbitMQ server/);
    }));

  it('refuses a server whose certificate is for another host, and one that has none', () =>
    withServer([...over(elsewhere).slice(1), `listeners.tcp.1 = 127.0.0.1:${plain}`], async (brokers) => {
      assert.match(
        await refused(brokers, { tls: { ca } }),
        /is for somebody else: .*127\.0\.0\.1 is not in the cert's list.*set tls\.serverName/,
      );
      await brokers.started({ tls: { ca, serverName: 'rabbit.example' } });
      const addresses = [`127.0.0.1:${plain}`];
      assert.match(
        await refused(brokers, { addresses, tls: {} }),
        /does not speak TLS|found no RabbitMQ server/,
      );
    }));
});
