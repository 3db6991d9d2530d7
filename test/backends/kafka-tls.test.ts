import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { KafkaBroker, type KafkaBrokerOptions, type KafkaSasl } from '../../src/broker/kafka.js';
import type { Broker } from '../../src/broker/broker.js';
import { Authority, type Pair } from '../support/certificates.js';
import { KafkaServer } from '../support/kafka-server.js';
import { BrokerBench, event, failure, Got, timed } from './support/broker-bench.js';

const SECRET = 'hunter2';
const authority = await Authority.make();
const { ca } = authority;
const own = await authority.issue('server', { san: 'IP:127.0.0.1,DNS:kafka.example' });
const client = await authority.issue('client');

function withBench(
  server: () => KafkaServer,
  run: (bench: BrokerBench<KafkaBrokerOptions>) => Promise<void>,
): () => Promise<void> {
  return () =>
    BrokerBench.with(
      (options, parts) =>
        new KafkaBroker({ addresses: [server().address], connectTimeoutMs: 3_000, ...options }, parts),
      run,
    );
}

async function works(broker: Broker, topic = `works-${randomUUID()}`): Promise<void> {
  const got = new Got();
  await broker.subscribe(topic, got.handler, { queue: 'q' });
  await broker.publish(topic, event('x'));
  await got.has('x');
}

async function makeTopic({ address }: KafkaServer, topic: string, sasl: KafkaSasl): Promise<void> {
  const { Admin } = await import('@platformatic/kafka');
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [address], sasl });
  await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
  await admin.close();
}

/** A certificate and its key in one file, as Kafka reads it. */
async function bundle({ cert, key }: Pair): Promise<string> {
  const file = join(authority.folder, 'bundle.pem');
  await writeFile(file, `${await readFile(key, 'utf8')}${await readFile(cert, 'utf8')}`);
  return file;
}

describe('the kafka broker over TLS', () => {
  let server: KafkaServer;
  before(async () => {
    server = await KafkaServer.start({
      protocol: 'SSL',
      properties: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': await bundle(own),
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': ca,
        'ssl.client.auth': 'requested',
      },
    });
  });
  after(() => server.stop());
  const bench = (run: (bench: BrokerBench<KafkaBrokerOptions>) => Promise<void>): (() => Promise<void>) =>
    withBench(() => server, run);

  it(
    'publishes and subscribes, with a certificate of its own and without',
    bench(async (bench) => {
      await works(await bench.started({ tls: { ca } }));
      await works(await bench.started({ tls: { ca, cert: client.cert, key: client.key } }));
      await works(await bench.started({ tls: { ca, serverName: 'kafka.example' } }));
      await works(await bench.started({ tls: { verify: false } }));
    }),
  );

  it(
    'refuses a server that nobody it knows has signed, and one of another name',
    bench(async (bench) => {
      const stranger = await failure(() => bench.make({ tls: {}, connectTimeoutMs: 300 }).start());
      assert.equal(stranger.code, 'unavailable');
      assert.match(stranger.message, /is signed by nobody in tls\.ca: put its authority there/);
      const other = await failure(() =>
        bench.make({ tls: { ca, serverName: 'other.example' }, connectTimeoutMs: 300 }).start(),
      );
      assert.match(other.message, /is for somebody else/);
    }),
  );

  it(
    'names a file that it cannot read',
    bench(async (bench) => {
      const { code, message } = await failure(() => bench.make({ tls: { ca: '/nowhere/ca.pem' } }).start());
      assert.equal(code, 'failed_precondition');
      assert.match(message, /tls\.ca of the kafka broker \(\/nowhere\/ca\.pem\): the file cannot be read/);
    }),
  );
});

describe('a Kafka server that asks for a password', () => {
  let server: KafkaServer;
  before(async () => {
    const login = `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${SECRET}" user_admin="${SECRET}" user_ada="${SECRET}-ada";`;
    server = await KafkaServer.start({
      protocol: 'SASL_PLAINTEXT',
      properties: {
        'auto.create.topics.enable': 'false',
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.sasl_plaintext.plain.sasl.jaas.config': login,
      },
    });
  });
  after(() => server.stop());
  const bench = (run: (bench: BrokerBench<KafkaBrokerOptions>) => Promise<void>): (() => Promise<void>) =>
    withBench(() => server, run);
  const sasl = { mechanism: 'PLAIN', username: 'ada', password: `${SECRET}-ada` } as const;

  it(
    'is satisfied with the right one, and makes no topic that it may not make',
    bench(async (bench) => {
      const broker = await bench.started({ sasl });
      for (const use of [
        () => broker.publish('none', event('x')),
        () => broker.subscribe('none', () => {}),
      ]) {
        const { code, message } = await failure(use);
        assert.equal(code, 'not_found');
        assert.match(message, /there is no such topic: make it, or let the server make topics/);
      }
      await makeTopic(server, 'made', sasl);
      await works(broker, 'made');
    }),
  );

  it(
    'refuses a wrong one at once, and the start says that word and not the password',
    bench(async (bench) => {
      const broker = bench.make({ sasl: { ...sasl, password: `${SECRET}-wrong` } });
      let error: unknown;
      const ms = await timed(async () => (error = await failure(() => broker.start())));
      assert.ok(ms < 2_000, `${ms} ms`);
      const { code, message } = await failure(() => broker.start());
      assert.equal(code, 'unauthenticated');
      assert.match(message, /wrong username or password/);
      for (const each of [error, broker.options, bench.logger.records])
        assert.ok(!inspect(each, { depth: 10 }).includes(SECRET), inspect(each, { depth: 10 }));
    }),
  );

  it(
    'never shows the right one either, whatever happens',
    bench(async (bench) => {
      const broker = await bench.started({ sasl });
      await broker.subscribe('made', () => {}, { queue: 'q' });
      await server.kill();
      const errors = [
        await failure(() => broker.publish('made', event('x'))),
        await failure(() => bench.make({ sasl, connectTimeoutMs: 300 }).start()),
      ];
      await broker.stop();
      for (const each of [...errors, bench.logger.records, broker.options])
        assert.ok(!inspect(each, { depth: 12 }).includes(SECRET), inspect(each, { depth: 12 }));
      assert.ok(bench.logger.records.length > 0);
    }),
  );
});
