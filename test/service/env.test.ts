import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { Registry, type Node } from '../../src/registry/registry.js';
import { LabelSelector } from '../../src/selector/label.js';
import { Selector, type Filter } from '../../src/selector/selector.js';
import { rpc } from '../../src/server/rpc.js';
import { readDuration } from '../../src/service/duration.js';
import { Environment } from '../../src/service/env.js';
import type { Env } from '../../src/service/service.js';
import { createService, run } from '../../src/service/run.js';
import { VARIABLES, type Variable } from '../../src/service/variables.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { Service } from '../../decorators/index.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { freeUdpPort } from '../support/udp-port.js';

@Service({ name: 'thing', version: '1' })
class Thing {}

@Service({ name: 'other', version: '1' })
class Other {}

const STACK = {
  registry: memoryRegistry(),
  broker: memoryBroker(),
  transport: memoryTransport(),
  logger: () => new TestLogger(),
};

function saying(...words: readonly string[]): (reason: unknown) => boolean {
  return (reason) => {
    assert.ok(reason instanceof OctavoError && reason.code === 'failed_precondition', String(reason));
    for (const word of words) assert.ok(reason.message.includes(word), `${reason.message} lacks "${word}"`);
    return true;
  };
}

async function started(env: Env, server = rpc()): Promise<ReturnType<typeof createService>> {
  const service = createService({ ...STACK, services: [Thing], server, env });
  await service.start();
  return service;
}

describe('a duration', () => {
  const read: readonly (readonly [string, number | undefined])[] = [
    ['30', 30_000],
    ['5s', 5_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['', undefined],
    ['-1', undefined],
    ['5 s', undefined],
    ['x', undefined],
    [`${'9'.repeat(400)}h`, undefined],
  ];
  for (const [text, ms] of read)
    it(`reads ${JSON.stringify(text)} as ${ms}`, () => {
      assert.equal(readDuration(text), ms);
    });
});

describe('the environment', () => {
  it('says what servers and clients are told', () => {
    const env = new Environment({
      MICRO_SERVER_NAME: 'n',
      MICRO_SERVER_VERSION: 'v',
      MICRO_SERVER_ID: 'i',
      MICRO_SERVER_ADDRESS: ':1',
      MICRO_SERVER_ADVERTISE: 'host',
      MICRO_SERVER_METADATA: 'a=1, b=2',
      MICRO_REGISTER_TTL: '60',
      MICRO_REGISTER_INTERVAL: '10s',
      MICRO_CLIENT_REQUEST_TIMEOUT: '2s',
      MICRO_CLIENT_RETRIES: '3',
      MICRO_CLIENT_POOL_SIZE: '4',
      MICRO_CLIENT_POOL_TTL: '1m',
    });
    assert.deepEqual(env.server, {
      name: 'n',
      version: 'v',
      id: 'i',
      address: ':1',
      advertise: 'host',
      metadata: { a: '1', b: '2' },
      registerTtlMs: 60_000,
      registerIntervalMs: 10_000,
    });
    assert.deepEqual(env.client, { requestTimeoutMs: 2_000, retries: 3, poolSize: 4, poolTtlMs: 60_000 });
  });

  it('takes an empty variable for none', () => {
    assert.deepEqual(new Environment({ MICRO_SERVER_NAME: '', MICRO_REGISTER_TTL: ' ' }).server, {});
  });

  const wrong: Readonly<Record<string, string>> = {
    MICRO_REGISTER_TTL: 'soon',
    MICRO_CLIENT_RETRIES: '-1',
    MICRO_SERVER_METADATA: 'a',
    MICRO_REGISTRY: 'phonebook',
    MICRO_BROKER: 'pigeon',
    MICRO_TRANSPORT: 'boat',
    MICRO_TLS: 'rot13',
    MICRO_SELECTOR: 'dice',
    MICRO_SELECTOR_LABELS: 'zone',
    STATIC_SELECTOR_PORT_NUMBER: 'http',
    MICRO_CLIENT: 'letter',
    MICRO_SERVER: 'waiter',
    MICRO_LOG_LEVEL: 'loud',
  };
  /** What makes somebody read a variable. */
  const NEEDED: Readonly<Record<string, Env>> = {
    MICRO_SELECTOR_LABELS: { MICRO_SELECTOR: 'label' },
    STATIC_SELECTOR_PORT_NUMBER: { MICRO_SELECTOR: 'static' },
  };
  for (const [name, value] of Object.entries(wrong))
    it(`refuses ${name}=${value}, naming it and what there is`, async () => {
      const service = createService({
        services: [Thing],
        env: { MICRO_REGISTRY: 'memory', MICRO_BROKER: 'memory', ...NEEDED[name], [name]: value },
      });
      await assert.rejects(service.start(), saying(name, value));
    });

  it('gives the transport and the broker that it chooses TLS, and refuses what has none', async () => {
    const memory = { MICRO_REGISTRY: 'memory', MICRO_LOG_LEVEL: 'error' };
    const files = {
      MICRO_TLS_CA: '/no/ca.pem',
      MICRO_TLS_CERT: '/no/cert.pem',
      MICRO_TLS_KEY: '/no/key.pem',
    };
    const tls = { ca: '/no/ca.pem', cert: '/no/cert.pem', key: '/no/key.pem' };
    assert.equal(new Environment({}).tls, undefined);
    assert.equal(new Environment({ MICRO_TLS: 'dev' }).tls, 'dev');
    assert.deepEqual(new Environment(files).tls, tls);
    assert.throws(
      () => new Environment({ ...files, MICRO_TLS: 'dev' }).tls,
      /MICRO_TLS is set.*one or the other/,
    );
    for (const [choice, message] of [
      [{ MICRO_BROKER: 'memory' }, /tls\.ca of the http transport \(\/no\/ca\.pem\)/],
      [{ MICRO_BROKER: 'memory', MICRO_TRANSPORT: 'tcp' }, /tls\.ca of the tcp transport/],
      [{ MICRO_BROKER: 'memory', MICRO_TRANSPORT: 'grpc' }, /tls\.ca of the grpc transport/],
      [
        { MICRO_BROKER: 'memory', MICRO_TRANSPORT: 'udp' },
        /tls of the udp transport: there is no DTLS in Node/,
      ],
      [{ MICRO_BROKER: 'memory', MICRO_TRANSPORT: 'nats' }, /tls\.ca of the nats transport/],
      [{ MICRO_BROKER: 'http', MICRO_TRANSPORT: 'memory' }, /tls\.ca of the http broker/],
      [{ MICRO_BROKER: 'redis', MICRO_TRANSPORT: 'memory' }, /tls\.ca of the redis broker/],
    ] as const) {
      const service = createService({ name: 'caller', env: { ...memory, ...files, ...choice } });
      await assert.rejects(service.start(), message);
    }
  });

  it('chooses providers by name', async () => {
    const env = {
      MICRO_REGISTRY: 'memory',
      MICRO_BROKER: 'memory',
      MICRO_TRANSPORT: 'memory',
      MICRO_LOG_LEVEL: 'error',
    };
    const service = createService({ services: [Thing], env });
    await service.start();
    const { metadata } = service.server.node ?? assert.fail();
    assert.deepEqual(
      [metadata['registry'], metadata['broker'], metadata['transport']],
      ['memory', 'memory', 'memory'],
    );
    await service.stop();
  });

  const selecting = async (
    env: Readonly<Record<string, string>>,
    run: (selector: Selector) => unknown,
  ): Promise<void> => {
    const stack = {
      MICRO_REGISTRY: 'memory',
      MICRO_BROKER: 'memory',
      MICRO_TRANSPORT: 'memory',
      MICRO_LOG_LEVEL: 'error',
    };
    await using service = createService({ services: [Thing], env: { ...stack, ...env } });
    await service.start();
    await run(service.resolve(Selector));
  };

  for (const name of ['cache', 'blacklist', 'label', 'named', 'static', 'shard', 'p2c'])
    it(`chooses the selector ${name}`, () =>
      selecting({ MICRO_SELECTOR: name }, (selector) => assert.equal(selector.name, name)));

  it('says what the label selector prefers, and the address that the static one makes', async () => {
    const env = { MICRO_SELECTOR: 'label', MICRO_SELECTOR_LABELS: 'disk=ssd, zone=a' };
    await selecting(env, async (selector) => {
      assert.ok(selector instanceof LabelSelector);
      const services = { name: 'x', version: '1', metadata: {}, endpoints: [] };
      const node = (id: string, metadata: Readonly<Record<string, string>>): Node => ({
        id,
        address: '',
        metadata,
      });
      const nodes = [node('1', {}), node('2', { zone: 'a' }), node('3', { disk: 'ssd' })];
      const found: Filter = () => [{ ...services, nodes }];
      const next = await selector.select('thing', { filters: [found] });
      assert.deepEqual([next().id, next(new Set('3')).id, next(new Set('32')).id], ['3', '2', '1']);
    });
    const address = async (more: Readonly<Record<string, string>>): Promise<string | undefined> => {
      let at: string | undefined;
      await selecting({ MICRO_SELECTOR: 'static', ...more }, async (selector) => {
        at = (await selector.select('greeter'))().address;
      });
      return at;
    };
    assert.equal(await address({}), 'greeter:8080');
    assert.equal(
      await address({ STATIC_SELECTOR_DOMAIN_NAME: 'shop.svc', STATIC_SELECTOR_PORT_NUMBER: '9000' }),
      'greeter.shop.svc:9000',
    );
  });

  it('says on which interfaces mDNS is, and on which port', async () => {
    const port = await freeUdpPort();
    const env = { MICRO_REGISTRY_ADDRESS: `127.0.0.1:${port}`, MICRO_LOG_LEVEL: 'error' };
    const service = createService({ services: [Thing], env });
    await service.start();
    assert.deepEqual(service.resolve(Registry).options, { interfaces: ['127.0.0.1'], port });
    await service.stop();
  });

  it('refuses several ports for mDNS', async () => {
    const address = '127.0.0.1:5353,127.0.0.1:5454';
    const service = createService({ services: [Thing], env: { MICRO_REGISTRY_ADDRESS: address } });
    await assert.rejects(service.start(), saying('MICRO_REGISTRY_ADDRESS', address));
  });

  it('gives way to an option, and wins over a default', async () => {
    const service = await started(
      { MICRO_SERVER_ID: 'from-env', MICRO_REGISTER_TTL: '80s' },
      rpc({ id: 'from-code' }),
    );
    assert.equal(service.server.node?.id, 'thing-from-code');
    assert.equal(service.server.options.registerTtlMs, 80_000);
    assert.equal(service.server.options.registerIntervalMs, 30_000);
    await service.stop();
  });

  it('names the service', async () => {
    const service = await started({ MICRO_SERVER_NAME: 'renamed', MICRO_SERVER_VERSION: '9' });
    assert.match(service.server.node?.id ?? '', /^renamed-/);
    await service.stop();
  });

  it('is refused where the interval is over half the TTL', async () => {
    await assert.rejects(
      started({ MICRO_REGISTER_TTL: '10s', MICRO_REGISTER_INTERVAL: '6s' }),
      saying('6000', '10000'),
    );
  });

  it('is refused where one address is meant for two services', async () => {
    const env = { MICRO_SERVER_ADDRESS: '127.0.0.1:4999' };
    await assert.rejects(run(Thing, Other, { ...STACK, env }), saying('MICRO_SERVER_ADDRESS', '2 servers'));
  });

  it('is refused where one name or one id is meant for two', async () => {
    const env = { MICRO_SERVER_NAME: 'x' };
    await assert.rejects(run(Thing, Other, { ...STACK, env }), saying('MICRO_SERVER_NAME', '2 services'));
    const server = [rpc(), rpc()];
    const service = createService({ ...STACK, services: [Thing], server, env: { MICRO_SERVER_ID: 'x' } });
    await assert.rejects(service.start(), saying('MICRO_SERVER_ID', '2 nodes', 'thing-x'));
  });

  it('is refused where one address is meant for two servers of a service, unless code says better', async () => {
    const env = { MICRO_SERVER_ADDRESS: '127.0.0.1:4999' };
    const service = createService({ ...STACK, services: [Thing], server: [rpc(), rpc()], env });
    await assert.rejects(service.start(), saying('127.0.0.1:4999', 'MICRO_SERVER_ADDRESS'));
    const server = [rpc({ address: '127.0.0.1:0' }), rpc()];
    const fine = createService({ ...STACK, services: [Thing], server, env });
    await fine.start();
    await fine.stop();
  });

  it('has a table that names each variable once, with a meaning', () => {
    for (const { meaning, fallback } of Object.values<Variable>(VARIABLES))
      assert.ok(meaning !== '' && fallback !== '');
  });
});
