import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { CODES } from '../../src/core/error.js';
import { VARIABLES } from '../../src/service/variables.js';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];

function page(path: string): string {
  return readFileSync(path, 'utf8');
}

/** The cells of the tables on a page, without the marks of code. */
function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

/** The names of the options that an interface declares. */
function optionsIn(path: string, name: string): string[] {
  const [, body = ''] = new RegExp(`export interface ${name}\\b[^{]*\\{([^]*?)\\n\\}`).exec(page(path)) ?? [];
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, option = '']) => option);
}

describe('the pages', () => {
  for (const path of pages)
    it(`${path} links to what is there`, () => {
      for (const [, to = ''] of page(path).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g))
        assert.ok(existsSync(join(dirname(path), to)), `${path} links to ${to}`);
    });

  it('list the codes as the table in the code has them', () => {
    const listed = rows(page('docs/errors.md'))
      .slice(2)
      .map(([code, http, micro, retryable]) => ({ code, http, micro, retryable }));
    const known = Object.entries(CODES).map(([code, { http, micro, retryable }]) => ({
      code,
      http: String(http),
      micro: String(micro),
      retryable: retryable ? 'yes' : 'no',
    }));
    assert.deepEqual(listed, known);
  });

  it('list the environment variables as the table in the code has them', () => {
    const listed = rows(page('docs/configuration.md')).filter(([name]) =>
      /^(MICRO|STATIC)_/.test(name ?? ''),
    );
    const known = Object.entries(VARIABLES).map(([name, { meaning, fallback }]) =>
      [name, meaning, fallback].map((cell) => cell.replaceAll('`', '')),
    );
    assert.deepEqual(
      listed.map(([name, meaning, , fallback]) => [name, meaning, fallback]),
      known,
    );
  });

  const options: readonly (readonly [string, string])[] = [
    ['src/server/server.ts', 'ServerOptions'],
    ['src/client/http.ts', 'HttpClientOptions'],
    ['src/server/http.ts', 'HttpServerOptions'],
    ['src/server/http/cors.ts', 'CorsOptions'],
    ['src/server/server.ts', 'AdminOptions'],
    ['src/server/server.ts', 'SubscriptionOptions'],
    ['src/server/server.ts', 'SubscriptionRetry'],
    ['src/client/client.ts', 'ClientOptions'],
    ['src/client/client.ts', 'CallOptions'],
    ['src/client/client.ts', 'RetryBudgetOptions'],
    ['src/client/client.ts', 'PublishCallOptions'],
    ['src/schema/method.ts', 'MethodOptions'],
    ['src/schema/service-declaration.ts', 'ServiceFacts'],
    ['src/service/service.ts', 'StackOptions'],
    ['src/service/service.ts', 'AppOptions'],
    ['src/service/run.ts', 'ServiceOptions'],
    ['src/service/service.ts', 'ServiceHooks'],
    ['src/transport/transport.ts', 'MessageLimits'],
    ['src/transport/transport.ts', 'TransportOptions'],
    ['src/transport/http.ts', 'HttpTransportOptions'],
    ['src/transport/tcp.ts', 'TcpTransportOptions'],
    ['src/transport/grpc.ts', 'GrpcTransportOptions'],
    ['src/transport/udp.ts', 'UdpTransportOptions'],
    ['src/transport/memory.ts', 'MemoryTransportOptions'],
    ['src/transport/nats.ts', 'NatsTransportOptions'],
    ['src/transport/bus/bus-transport.ts', 'BusTransportOptions'],
    ['src/core/rabbitmq-connection.ts', 'RabbitOptions'],
    ['src/broker/rabbitmq.ts', 'RabbitBrokerOptions'],
    ['src/core/nats-connection.ts', 'NatsOptions'],
    ['src/registry/registry.ts', 'RegistryOptions'],
    ['src/registry/mdns.ts', 'MdnsOptions'],
    ['src/registry/memory.ts', 'MemoryRegistryOptions'],
    ['src/registry/consul.ts', 'ConsulOptions'],
    ['src/registry/etcd.ts', 'EtcdOptions'],
    ['src/registry/etcd-v2.ts', 'EtcdV2Options'],
    ['src/registry/zookeeper.ts', 'ZooKeeperOptions'],
    ['src/registry/kubernetes.ts', 'KubernetesOptions'],
    ['src/registry/multi.ts', 'MultiOptions'],
    ['src/registry/cache.ts', 'CachedRegistryOptions'],
    ['src/client/grpc.ts', 'GrpcClientOptions'],
    ['src/server/grpc.ts', 'GrpcServerOptions'],
    ['src/selector/registry-selector.ts', 'RegistrySelectorOptions'],
    ['src/selector/cache.ts', 'CacheSelectorOptions'],
    ['src/selector/blacklist.ts', 'BlacklistSelectorOptions'],
    ['src/selector/label.ts', 'LabelSelectorOptions'],
    ['src/selector/shard.ts', 'ShardSelectorOptions'],
    ['src/selector/p2c.ts', 'P2cSelectorOptions'],
    ['src/selector/static.ts', 'StaticSelectorOptions'],
    ['src/codec/jsonrpc2.ts', 'JsonRpc2CodecOptions'],
    ['src/codec/grpc.ts', 'GrpcCodecOptions'],
    ['src/codec/mercury.ts', 'MercuryCodecOptions'],
    ['src/broker/broker.ts', 'BrokerOptions'],
    ['src/broker/http.ts', 'HttpBrokerOptions'],
    ['src/broker/memory.ts', 'MemoryBrokerOptions'],
    ['src/broker/nats.ts', 'NatsBrokerOptions'],
    ['src/broker/nats-jetstream.ts', 'NatsJetStreamBrokerOptions'],
    ['src/registry/nats.ts', 'NatsRegistryOptions'],
    ['src/broker/served.ts', 'ServedBrokerOptions'],
    ['src/broker/redis.ts', 'RedisBrokerOptions'],
    ['src/broker/redis-streams.ts', 'RedisStreamsBrokerOptions'],
    ['src/core/redis-options.ts', 'RedisOptions'],
    ['src/schema/json-value.ts', 'JsonWriteOptions'],
    ['src/core/console-logger.ts', 'ConsoleLoggerOptions'],
    ['src/core/tls-options.ts', 'TlsOptions'],
  ];
  for (const [path, name] of options)
    it(`name every option of ${name}`, () => {
      const names = optionsIn(path, name);
      assert.ok(names.length > 0, `${name} was not found in ${path}`);
      const text = page('docs/configuration.md');
      assert.deepEqual(
        names.filter((option) => !new RegExp(`\\b${option}\\b`).test(text)),
        [],
      );
    });

  const wrapperOptions: readonly (readonly [section: string, name: string, file?: string])[] = [
    ['jwt', 'JwtOptions', 'jwt/options'],
    ['jwks', 'JwksOptions', 'jwt/options'],
    ['jwtClient', 'JwtClientOptions', 'jwt/tokens'],
    ['validate', 'ValidateOptions'],
    ['timeout', 'TimeoutOptions'],
    ['retry', 'RetryOptions'],
    ['bulkhead', 'BulkheadOptions'],
    ['breaker', 'BreakerOptions'],
    ['fallback', 'FallbackOptions'],
    ['cache', 'CacheOptions'],
    ['dedupe', 'DedupeOptions'],
    ['ratelimit', 'RateLimitOptions'],
    ['redis-store', 'RedisStoreOptions'],
    ['shed', 'ShedOptions'],
    ['log', 'LogOptions'],
    ['metrics', 'MetricsOptions'],
    ['trace', 'TraceOptions'],
  ];
  for (const [wrapper, name, file = wrapper] of wrapperOptions)
    it(`list the options of ${wrapper}, and no others, where it is described`, () => {
      const section = page('docs/wrappers.md').split(`\n## ${wrapper}\n`)[1]?.split('\n## ')[0] ?? '';
      const all = rows(section).filter(([cell = '']) => !/^-+$/.test(cell));
      const listed = all.slice(all.findIndex(([cell]) => cell === 'option') + 1);
      assert.deepEqual(
        listed.map(([option]) => option),
        optionsIn(`src/wrapper/${file}.ts`, name),
      );
    });

  it('list every door in the table of the README, and no other', () => {
    const { exports } = JSON.parse(page('package.json')) as { exports: Record<string, unknown> };
    const providers = Object.keys(exports)
      .filter((door) => /^\.\/(?!conformance)\w+\/[\w-]+$/.test(door))
      .map((door) => door.replace('.', 'octavo'));
    const table = page('README.md').split('## What there is')[1]?.split('\n\n')[1] ?? '';
    const listed = [...table.matchAll(/`(octavo\/[\w/-]+)`/g)].map(([, door = '']) => door);
    assert.deepEqual(listed.sort(), providers.sort());
  });

  it('show the Role for Kubernetes as the sample has it', () => {
    const [, shown] = /```yaml\n(apiVersion: rbac[^]*?)```/.exec(page('docs/providers/kubernetes.md')) ?? [];
    assert.equal(shown, page('samples/kubernetes/role.yaml').replace(/^#.*\n/, ''));
  });

  it('list every conformance suite', () => {
    const suites = readdirSync('test/conformance').filter(
      (file) => file.endsWith('.ts') && !['conform.ts', 'metering.ts', 'probe.ts'].includes(file),
    );
    const listed = [
      ...page('docs/writing-a-provider.md').matchAll(/^\| `\w+`\s+\| `octavo\/conformance\/([\w-]+)`/gm),
    ].map(([, name = '']) => `${name}.ts`);
    assert.deepEqual(listed.sort(), suites.sort());
  });
});
