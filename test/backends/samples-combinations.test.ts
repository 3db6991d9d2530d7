import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { ConsulServer } from '../support/consul-server.js';
import { EtcdServer } from '../support/etcd-server.js';
import { freePorts } from '../support/free-port.js';
import { KafkaServer } from '../support/kafka-server.js';
import { KubeServer } from '../support/kube-server.js';
import { NatsServer } from '../support/nats-server.js';
import { NsqServer } from '../support/nsq-server.js';
import { RabbitServer } from '../support/rabbit-server.js';
import { RedisServer } from '../support/redis-server.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';
import { freeUdpPort } from '../support/udp-port.js';

/** Registry, broker and transport, by the names of the variables; and a selector where it is another one than the usual. */
type Combination = readonly [registry: string, broker: string, transport: string, selector?: string];

const COMBINATIONS: readonly Combination[] = [
  ['mdns', 'http', 'http', 'p2c'],
  ['etcdv3', 'nats', 'tcp'],
  ['etcd-v2', 'nats-jetstream', 'nats'],
  ['consul', 'redis', 'http', 'blacklist'],
  ['zookeeper', 'redis-streams', 'rabbitmq', 'shard'],
  ['kubernetes', 'rabbitmq', 'tcp', 'label'],
  ['nats', 'kafka', 'grpc'],
  ['multi', 'nsq', 'tcp'],
  ['nats', 'nats', 'nats'],
  ['etcd', 'rabbitmq', 'rabbitmq'],
  ['consul', 'kafka', 'nats'],
  ['zookeeper', 'http', 'tcp', 'p2c'],
];

/** What the tour says, whatever carries it. */
const SAID = [
  'unary          Hello Ada',
  'server stream  1 2 3',
  'client stream  the sum is 6',
  'bidi stream    1 2 3',
  'event          published',
  'error          not_found: nobody is called Nobody',
  'bad request    invalid_argument: greeter.HelloRequest.name: name must be longer than or equal to 1 characters',
];
const ARRIVED = 'the event "good morning" arrived on the topic greetings';

const POD = 'greeter-pod';
const servers: { stop(): Promise<unknown> }[] = [];
const addresses: Record<string, string> = {};
let proxy: Server;

/** As `kubectl proxy` does it: whoever asks here is the administrator. */
function proxyTo(kube: KubeServer): Server {
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  return createServer((asked, answer) => {
    const headers = { ...asked.headers, authorization: `Bearer ${kube.adminToken}` };
    const { url = '/', method = 'GET' } = asked;
    const onward = request(`${kube.address}${url}`, { method, headers, agent }, (came) => {
      answer.writeHead(came.statusCode ?? 502, came.headers);
      answer.flushHeaders();
      came.pipe(answer).on('error', () => came.destroy());
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
}

before(async () => {
  const [nats, redis, etcd, consul, zookeeper, kube, rabbit, kafka, nsq] = await Promise.all([
    NatsServer.start({ jetStream: true }),
    RedisServer.start(),
    EtcdServer.start({ args: ['--enable-v2'] }),
    ConsulServer.start(),
    ZooKeeperServer.start(),
    KubeServer.start(),
    RabbitServer.start(),
    KafkaServer.start(),
    NsqServer.start(),
  ]);
  servers.push(nats, redis, etcd, consul, zookeeper, kube, rabbit, kafka, nsq);
  await kube.pod('default', POD);
  proxy = proxyTo(kube);
  const [port = 0] = await freePorts(1);
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
  Object.assign(addresses, {
    mdns: `127.0.0.1:${await freeUdpPort()}`,
    etcd: etcd.address,
    etcdv3: etcd.address,
    'etcd-v2': etcd.address,
    consul: consul.address,
    zookeeper: zookeeper.address,
    kubernetes: `http://127.0.0.1:${port}`,
    multi: `etcd=${etcd.address},consul=${consul.address}`,
    nats: nats.address,
    'nats-jetstream': nats.address,
    redis: redis.address,
    'redis-streams': redis.address,
    rabbitmq: rabbit.address,
    kafka: kafka.address,
    nsq: nsq.address,
  });
});

after(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await Promise.all(servers.map((server) => server.stop()));
});

/** The variables of a combination. */
function variables([registry, broker, transport, selector]: Combination): Record<string, string> {
  return {
    MICRO_REGISTRY: registry,
    MICRO_REGISTRY_ADDRESS: addresses[registry] ?? '',
    MICRO_BROKER: broker,
    ...(addresses[broker] && { MICRO_BROKER_ADDRESS: addresses[broker] }),
    MICRO_TRANSPORT: transport,
    ...(addresses[transport] && { MICRO_TRANSPORT_ADDRESS: addresses[transport] }),
    ...(selector && { MICRO_SELECTOR: selector }),
    MICRO_LOG_LEVEL: 'warn',
    HOSTNAME: POD,
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
  readonly ended: Promise<number | null>;
}

function start(file: string, env: Readonly<Record<string, string>>): Running {
  const child = spawn(process.execPath, ['--enable-source-maps', `dist/samples/greeter/${file}.js`], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [lines, errors]: [string[], string[]] = [[], []];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  // Events of an exit are three: this one comes when all was read.
  const ended = once(child, 'close').then(([code]) => (typeof code === 'number' ? code : null));
  return { child, lines, errors, ended };
}

describe('the greeter on', () => {
  for (const combination of COMBINATIONS)
    it(combination.join(', '), { timeout: 60_000 }, async () => {
      const env = variables(combination);
      const server = start('server', env);
      const arrived = new Promise<void>((resolve) =>
        server.child.stdout?.on('data', () => {
          if (server.lines.includes(ARRIVED)) resolve();
        }),
      );
      const tour = start('tour', env);
      try {
        const status = await Promise.race([tour.ended, server.ended]);
        assert.deepEqual([status, tour.lines], [0, SAID], [...server.errors, ...tour.errors].join('\n'));
        await arrived;
      } finally {
        tour.child.kill();
        server.child.kill();
      }
      // Redis has none, and says so.
      const errors = server.errors.filter((line) => !/redis knows no queues/.test(line));
      assert.deepEqual([await server.ended, errors], [0, []]);
    });

  it('udp is refused at its start, as it has streams', async () => {
    const server = start('server', variables(['mdns', 'memory', 'udp']));
    assert.notEqual(await server.ended, 0);
    assert.match(server.errors.join('\n'), /udp/);
  });
});
