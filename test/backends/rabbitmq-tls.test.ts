import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { RabbitBrokerOptions } from '../../src/broker/rabbitmq.js';
import { Authority, type Pair } from '../support/certificates.js';
import { failure } from '../support/nats-bench.js';
import { event, Events, RabbitBrokers } from '../support/rabbit-brokers.js';
import { RabbitServer } from '../support/rabbit-server.js';

const authority = await Authority.make();
const { ca } = authority;
const server = await authority.issue('server', { san: 'IP:127.0.0.1' });
const client = await authority.issue('client');
const elsewhere = await authority.issue('elsewhere', { san: 'DNS:localhost,DNS:rabbit.example' });

function over({ cert, key }: Pair, verify = 'verify_none'): string[] {
  return [
    'listeners.tcp = none',
    'listeners.ssl.default = 127.0.0.1:{port}',
    `ssl_options.cacertfile = ${ca}`,
    `ssl_options.certfile = ${cert}`,
    `ssl_options.keyfile = ${key}`,
    `ssl_options.verify = ${verify}`,
    `ssl_options.fail_if_no_peer_cert = ${verify === 'verify_peer'}`,
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

describe('the rabbitmq broker over TLS', () => {
  it('trusts a server by an authority given as a path, text or bytes, and no other', () =>
    withServer(over(server), async (brokers, { address }) => {
      for (const given of [ca, readFileSync(ca, 'utf8'), readFileSync(ca)]) {
        const broker = await brokers.started({ tls: { ca: given } });
        const events = new Events();
        await broker.subscribe('topic', events.handler);
        await broker.publish('topic', event('x'));
        await events.holds((texts) => texts.length === 1);
      }
      const stranger = await refused(brokers, { addresses: [`amqps://${address}`] });
      assert.match(stranger, /is signed by nobody in tls\.ca: put its authority there/);
      await brokers.started({ tls: { verify: false } });
      const unread = await failure(() => brokers.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(unread.code, 'failed_precondition');
      assert.match(
        unread.message,
        /tls\.ca of the rabbitmq broker \(\/nowhere\/ca\.pem\): the file cannot be read/,
      );
      assert.match(await refused(brokers, {}), /found no RabbitMQ server/);
    }));

  it('refuses a server whose certificate is for another host, also where that is this machine', () =>
    withServer(over(elsewhere), async (brokers) => {
      assert.match(
        await refused(brokers, { tls: { ca } }),
        /is for somebody else: .*127\.0\.0\.1 is not in the cert's list.*set tls\.serverName/,
      );
      await brokers.started({ tls: { ca, serverName: 'rabbit.example' } });
    }));

  it('shows its own certificate to a server that asks for it', () =>
    withServer(over(server, 'verify_peer'), async (brokers) => {
      assert.match(await refused(brokers, { tls: { ca } }), /tls\.cert/);
      const own = { cert: readFileSync(client.cert), key: readFileSync(client.key, 'utf8') };
      const broker = await brokers.started({ tls: { ca, ...own } });
      await broker.publish('topic', event('x'));
    }));

  it('insists on it where it is asked for, and the server has none', () =>
    withServer(['listeners.tcp.default = 127.0.0.1:{port}'], async (brokers) => {
      assert.match(await refused(brokers, { tls: {} }), /does not speak TLS|found no RabbitMQ server/);
    }));
});
