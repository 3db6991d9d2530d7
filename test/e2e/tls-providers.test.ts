import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TLSSocket, type TlsOptions as NodeOptions } from 'node:tls';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { KafkaBroker } from '../../src/broker/kafka.js';
import { NatsJetStreamBroker } from '../../src/broker/nats-jetstream.js';
import { NatsBroker } from '../../src/broker/nats.js';
import { NsqBroker } from '../../src/broker/nsq.js';
import { RabbitBroker } from '../../src/broker/rabbitmq.js';
import { RedisStreamsBroker } from '../../src/broker/redis-streams.js';
import { RedisBroker } from '../../src/broker/redis.js';
import type { Client } from '../../src/client/client.js';
import { grpc } from '../../src/client/grpc.js';
import { http } from '../../src/client/http.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import { NatsConnections } from '../../src/core/nats-connection.js';
import { OctavoError } from '../../src/core/error.js';
import type { Provider } from '../../src/core/provider.js';
import { RabbitConnections } from '../../src/core/rabbitmq-connection.js';
import type { TlsOptions } from '../../src/core/tls.js';
import { SystemClock } from '../../src/core/system-clock.js';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { NatsRegistry } from '../../src/registry/nats.js';
import { ZooKeeperRegistry } from '../../src/registry/zookeeper.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { NatsTransport } from '../../src/transport/nats.js';
import { RabbitTransport } from '../../src/transport/rabbitmq.js';
import { identity, newAuthority, SERVER_FAULTS } from '../conformance/tls/identities.js';
import { atOnce, natsInfo, nsqIdentify, TlsDoor, type Prelude } from '../support/tls-doors.js';

interface Given {
  readonly addresses: readonly string[];
  readonly tls: Omit<TlsOptions, 'clientAuth'>;
  readonly connectTimeoutMs: number;
}

/** Something that dials a server of its own kind when it starts. */
interface Dialling {
  readonly make: (given: Given) => Lifecycle;
  readonly prelude?: Prelude;
  /** What is not to be had there: a start with it fails and says so. */
  readonly lacks?: readonly string[];
}

/** After a pause it is much later: a start that has failed twice has looked for long enough. */
class HastyClock extends SystemClock {
  #ahead = 0;

  override now(): number {
    return super.now() + this.#ahead;
  }

  override async sleep(): Promise<void> {
    this.#ahead += 60_000;
  }
}

const parts = () => ({ clock: new HastyClock(), logger: new TestLogger() });
const nats = () => ({ ...parts(), connections: new NatsConnections() });
const rabbit = () => ({ ...parts(), connections: new RabbitConnections() });

/** A client, which dials when it calls. */
function calling(
  { addresses: [address = ''], tls }: Given,
  make: (tls: Given['tls']) => Provider<Client>,
): Lifecycle {
  const service = createService({
    name: 'caller',
    client: make(tls),
    registry: memoryRegistry(),
    broker: memoryBroker(),
    transport: memoryTransport(),
    logger: () => new TestLogger(),
    env: {},
  });
  const call = { service: 'x', endpoint: 'X.Y', body: {}, contentType: 'application/json' };
  return {
    async start() {
      await service.start();
      await service.client.call(call, { address, retries: 0 });
    },
    stop: () => service.stop(),
  };
}

const DIALLING: Readonly<Record<string, Dialling>> = {
  'client/grpc': { make: (given) => calling(given, (tls) => grpc({ tls })) },
  'client/http': { make: (given) => calling(given, (tls) => http({ tls })) },
  'client/http, HTTP/2': { make: (given) => calling(given, (tls) => http({ tls, version: '2' })) },
  'transport/nats': { make: (given) => new NatsTransport(given, nats()), prelude: natsInfo },
  'transport/rabbitmq': { make: (given) => new RabbitTransport(given, rabbit()) },
  'broker/kafka': { make: (given) => new KafkaBroker(given, parts()) },
  'broker/nats': { make: (given) => new NatsBroker(given, nats()), prelude: natsInfo },
  'broker/nats-jetstream': { make: (given) => new NatsJetStreamBroker(given, nats()), prelude: natsInfo },
  'broker/nsq': { make: (given) => new NsqBroker(given, parts()), prelude: nsqIdentify },
  'broker/rabbitmq': { make: (given) => new RabbitBroker(given, rabbit()) },
  'broker/redis': { make: (given) => new RedisBroker(given, parts()) },
  'broker/redis-streams': { make: (given) => new RedisStreamsBroker(given, parts()) },
  'registry/consul': { make: (given) => new ConsulRegistry(given, parts()) },
  'registry/etcd': { make: (given) => new EtcdRegistry(given, parts()), lacks: ['minVersion', 'verify'] },
  'registry/etcd-v2': { make: (given) => new EtcdV2Registry(given, parts()) },
  'registry/kubernetes': {
    make: (given) => new KubernetesRegistry({ ...given, token: 'a token', namespace: 'default' }, parts()),
  },
  'registry/nats': { make: (given) => new NatsRegistry(given, nats()), prelude: natsInfo },
  'registry/zookeeper': {
    make: (given) => new ZooKeeperRegistry({ ...given, connectTimeoutMs: ZOOKEEPER_MS }, parts()),
  },
};

/** How long a start looks for a server, in milliseconds; of a clock that does not wait for the next attempt. */
const CONNECT_MS = 3_000;
/** And of one that does. */
const ZOOKEEPER_MS = 1_500;

const authority = newAuthority();
const ca = authority.cert;
const good = identity(authority, 'server');
const own = identity(authority, 'caller');
const elsewhere = identity(authority, 'elsewhere', { san: ['DNS:elsewhere.example'] });

/** What a start is refused with, for TLS as the door speaks it. */
async function refusal(
  { make, prelude = atOnce }: Dialling,
  door: NodeOptions | undefined,
  tls: Given['tls'],
): Promise<string> {
  await using open = await TlsDoor.open(door, prelude);
  const provider = make({ addresses: [open.address], tls, connectTimeoutMs: CONNECT_MS });
  try {
    await provider.start?.();
  } catch (error) {
    assert.ok(error instanceof OctavoError, String(error));
    assert.match(error.code, /^(?:unavailable|failed_precondition)$/);
    return error.message;
  } finally {
    await provider.stop?.();
  }
  return assert.fail('it has started');
}

/** Whether the handshake is done, and the door knows the caller. */
async function enters(
  { make, prelude = atOnce }: Dialling,
  door: NodeOptions,
  tls: Given['tls'],
): Promise<boolean> {
  await using open = await TlsDoor.open(door, prelude);
  const provider = make({ addresses: [open.address], tls, connectTimeoutMs: CONNECT_MS });
  // It finds no server behind the door.
  const starting = Promise.resolve(provider.start?.()).then(
    () => 'it has started',
    (error: unknown) => String(error),
  );
  const entered = await Promise.race([open.entered, starting]);
  await provider.stop?.();
  if (entered instanceof TLSSocket) return entered.authorized;
  return assert.fail(`nobody has entered: ${entered}`);
}

/** What each does, as the docs say it. */
const CASES: readonly {
  readonly title: string;
  readonly does: string;
  readonly member?: string;
  readonly run: (dialling: Dialling) => Promise<void>;
}[] = [
  ...SERVER_FAULTS.map(({ what, identity: made, says }) => ({
    title: `refuses a server whose certificate ${what}, with that reason`,
    does: what,
    run: async (dialling: Dialling) => assert.match(await refusal(dialling, made(authority), { ca }), says),
  })),
  {
    title: 'refuses a server that speaks only older versions of TLS, with that reason',
    does: '`minVersion`',
    member: 'minVersion',
    run: async (dialling) => {
      const old = { ...good, maxVersion: 'TLSv1.2' as const };
      assert.match(await refusal(dialling, old, { ca, minVersion: 'TLSv1.3' }), /version/);
    },
  },
  {
    title: 'refuses a server that speaks plain text',
    does: 'plain text',
    run: async (dialling) =>
      assert.match(await refusal(dialling, undefined, { ca }), /does not speak TLS|does not support 'tls'/),
  },
  {
    title: 'says that the server wants a certificate, and shows one where it has one',
    does: '`cert` `key`',
    run: async (dialling) => {
      // Of the older version, which has the server's word before the handshake is done.
      const strict = { ...good, ca, requestCert: true, maxVersion: 'TLSv1.2' as const };
      assert.match(await refusal(dialling, strict, { ca }), /tls\.cert/);
      assert.equal(await enters(dialling, { ...good, ca, requestCert: true }, { ca, ...own }), true);
    },
  },
  {
    title: 'looks for the name that it is told',
    does: '`serverName`',
    run: async (dialling) => {
      await enters(dialling, elsewhere, { ca, serverName: 'elsewhere.example' });
    },
  },
  {
    title: 'checks nothing where it is told so',
    does: '`verify: false`',
    member: 'verify',
    run: async (dialling) => {
      await enters(dialling, identity(newAuthority('somebody else'), 'unknown'), { ca, verify: false });
    },
  },
];

describe('whoever dials a server over TLS', { concurrency: 2 }, () => {
  for (const [name, dialling] of Object.entries(DIALLING))
    describe(name, { concurrency: 2 }, () => {
      for (const { title, member, run } of CASES)
        if (member === undefined || dialling.lacks?.includes(member) !== true) it(title, () => run(dialling));
      for (const [member, tls] of Object.entries({
        minVersion: { minVersion: 'TLSv1.3' },
        verify: { verify: false },
      } satisfies Record<string, TlsOptions>))
        if (dialling.lacks?.includes(member) === true)
          it(`fails its start with ${member}, which it lacks`, async () => {
            const says = new RegExp(`^tls\\.${member} of the \\S+ registry: it is not to be had there`);
            assert.match(await refusal(dialling, good, { ca, ...tls }), says);
          });
    });
});

describe('docs/tls.md', () => {
  it('says what each does (WRITE_DOCS=1 writes it)', () => {
    const path = 'docs/tls.md';
    const before = readFileSync(path, 'utf8');
    const [begin, end] = ['<!-- what each dials -->\n', '<!-- end -->'];
    const rows = [
      ['', ...CASES.map(({ does }) => does)],
      CASES.map(() => '---').concat('---'),
      ...Object.entries(DIALLING).map(([name, { lacks = [] }]) => [
        `\`${name}\``,
        ...CASES.map(({ member }) =>
          member !== undefined && lacks.includes(member) ? 'fails its start' : 'yes',
        ),
      ]),
    ];
    const table = rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
    const at = before.indexOf(begin) + begin.length;
    const after = `${before.slice(0, at)}\n${table}\n\n${before.slice(before.indexOf(end, at))}`;
    if (process.env['WRITE_DOCS'] === '1') return writeFileSync(path, after);
    // A formatter gives columns their width.
    const plain = (text: string): string => text.replace(/ +/g, ' ').replace(/-{3,}/g, '---');
    assert.equal(plain(before), plain(after));
  });
});
