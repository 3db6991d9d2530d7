import { Broker } from '../broker/broker.js';
import { ClientDefaults } from '../client/client-defaults.js';
import { Client } from '../client/client.js';
import { Codecs } from '../codec/codecs.js';
import { Clock } from '../core/clock.js';
import { ConsoleLogger } from '../core/console-logger.js';
import { OctavoError } from '../core/error.js';
import { LEVELS, Logger, type Level } from '../core/logger.js';
import type { Provider } from '../core/provider.js';
import type { Tls } from '../core/tls.js';
import { SystemClock } from '../core/system-clock.js';
import { CachedRegistry } from '../registry/cache.js';
import { Registry } from '../registry/registry.js';
import { Selector } from '../selector/selector.js';
import { ServerDefaults } from '../server/server-defaults.js';
import type { Server } from '../server/server.js';
import { Transport } from '../transport/transport.js';
import type { Container } from './container.js';
import type { Environment } from './env.js';
import type { StackOptions } from './service.js';
import { several } from './several.js';

/** How the slots that a service has for itself are made. */
export interface ServiceStack {
  readonly client: Provider<Client>;
  readonly server: Provider<Server>;
}

/** What speaks by the transport takes its TLS from there. */
type Loader<T> = (tls: Tls | undefined) => Promise<Provider<T>>;

/** Loads what is chosen by name, so that what is not chosen costs nothing. */
const REGISTRIES = {
  mdns: async (addresses) =>
    (await import('../registry/mdns.js')).mdns(addresses === undefined ? {} : mdnsAt(addresses)),
  memory: async () => (await import('../registry/memory.js')).memory(),
  nats: async (addresses) => (await import('../registry/nats.js')).nats({ ...(addresses && { addresses }) }),
  multi: (addresses): Promise<Provider<Registry>> => several(REGISTRIES, addresses),
  consul: async (addresses) =>
    (await import('../registry/consul.js')).consul({ ...(addresses && { addresses }) }),
  etcd: async (addresses) => (await import('../registry/etcd.js')).etcd({ ...(addresses && { addresses }) }),
  etcdv3: async (addresses) =>
    (await import('../registry/etcd.js')).etcd({ ...(addresses && { addresses }) }),
  'etcd-v2': async (addresses) =>
    (await import('../registry/etcd-v2.js')).etcdV2({ ...(addresses && { addresses }) }),
  zookeeper: async (addresses) =>
    (await import('../registry/zookeeper.js')).zookeeper({ ...(addresses && { addresses }) }),
  kubernetes: async (addresses) =>
    (await import('../registry/kubernetes.js')).kubernetes({ ...(addresses && { addresses }) }),
} satisfies Record<string, (addresses: readonly string[] | undefined) => Promise<Provider<Registry>>>;

/** Interfaces as a variable lists them: `127.0.0.1`, or `127.0.0.1:5454` where mDNS has another port than its own. */
function mdnsAt(addresses: readonly string[]): { interfaces: readonly string[]; port?: number } {
  const parts = addresses.map((address) => /^([^:]+)(?::(\d+))?$/.exec(address) ?? [address, address]);
  const interfaces = parts.map(([, host = '']) => host);
  const [port, ...others] = new Set(parts.map(([, , text]) => text));
  if (others.length > 0)
    throw new OctavoError(
      'failed_precondition',
      `MICRO_REGISTRY_ADDRESS is "${addresses.join(',')}": mDNS has one port on all interfaces, so give each the same`,
    );
  return port === undefined ? { interfaces } : { interfaces, port: Number(port) };
}

/** Makes a provider of what the environment says of addresses and TLS. */
type Chosen<T> = (addresses: readonly string[] | undefined, tls: Tls | undefined) => Promise<Provider<T>>;

/** The options of what is reached over a server. */
function served(
  addresses: readonly string[] | undefined,
  tls: Tls | undefined,
): { addresses?: readonly string[]; tls?: Tls } {
  return { ...(addresses && { addresses }), ...(tls && { tls }) };
}

const BROKERS = {
  http: async (addresses, tls) =>
    (await import('../broker/http.js')).http({
      ...(addresses?.[0] && { address: addresses[0] }),
      ...(tls && { tls }),
    }),
  memory: async () => (await import('../broker/memory.js')).memory(),
  'nats-jetstream': async (addresses, tls) =>
    (await import('../broker/nats-jetstream.js')).natsJetStream(served(addresses, tls)),
  nats: async (addresses, tls) => (await import('../broker/nats.js')).nats(served(addresses, tls)),
  kafka: async (addresses, tls) => (await import('../broker/kafka.js')).kafka(served(addresses, tls)),
  nsq: async (addresses, tls) => (await import('../broker/nsq.js')).nsq(served(addresses, tls)),
  redis: async (addresses, tls) => (await import('../broker/redis.js')).redis(served(addresses, tls)),
  'redis-streams': async (addresses, tls) =>
    (await import('../broker/redis-streams.js')).redisStreams(served(addresses, tls)),
  rabbitmq: async (addresses, tls) =>
    (await import('../broker/rabbitmq.js')).rabbitmq(served(addresses, tls)),
} satisfies Record<string, Chosen<Broker>>;

const TRANSPORTS = {
  http: async (_, tls) => (await import('../transport/http.js')).http({ ...(tls && { tls }) }),
  memory: async () => (await import('../transport/memory.js')).memory(),
  tcp: async (_, tls) => (await import('../transport/tcp.js')).tcp({ ...(tls && { tls }) }),
  grpc: async (_, tls) => (await import('../transport/grpc.js')).grpc({ ...(tls && { tls }) }),
  nats: async (addresses, tls) => (await import('../transport/nats.js')).nats(served(addresses, tls)),
  udp: async (_, tls) => {
    // Its type has no TLS, and its start refuses it: what was to be TLS is not sent in plain text.
    const given: object = tls === undefined ? {} : { tls };
    return (await import('../transport/udp.js')).udp(given);
  },
  rabbitmq: async (addresses, tls) =>
    (await import('../transport/rabbitmq.js')).rabbitmq(served(addresses, tls)),
} satisfies Record<string, Chosen<Transport>>;

const SELECTORS: Record<string, (env: Environment) => Promise<Provider<Selector>>> = {
  cache: async () => (await import('../selector/cache.js')).cache(),
  blacklist: async () => (await import('../selector/blacklist.js')).blacklist(),
  label: async (env) =>
    (await import('../selector/label.js')).label({
      labels: Object.entries(env.pairs('MICRO_SELECTOR_LABELS') ?? {}),
    }),
  named: async () => (await import('../selector/named.js')).named(),
  static: async (env) => (await import('../selector/static.js')).staticSelector(staticIn(env)),
  shard: async () => (await import('../selector/shard.js')).shard(),
  p2c: async () => (await import('../selector/p2c.js')).p2c(),
};

/** As go-micro's static selector has it. */
function staticIn(env: Environment): { domain?: string; port?: number } {
  const domain = env.text('STATIC_SELECTOR_DOMAIN_NAME');
  const port = env.count('STATIC_SELECTOR_PORT_NUMBER');
  return { ...(domain !== undefined && { domain }), ...(port !== undefined && { port }) };
}

const CLIENTS: Record<string, Loader<Client>> = {
  rpc: async () => (await import('../client/rpc.js')).rpc(),
  grpc: async (tls) => (await import('../client/grpc.js')).grpc({ ...(tls && { tls }) }),
  http: async (tls) => (await import('../client/http.js')).http({ ...(tls && { tls }) }),
};
const SERVERS: Record<string, Loader<Server>> = {
  rpc: async () => (await import('../server/rpc.js')).rpc(),
  grpc: async (tls) => (await import('../server/grpc.js')).grpc({ ...(tls && { tls }) }),
  http: async (tls) => (await import('../server/http.js')).http({ ...(tls && { tls }) }),
};

/** Puts what all services of an app share into its container, and tells how the rest is made. */
export async function stack(
  options: StackOptions,
  env: Environment,
  container: Container,
): Promise<ServiceStack> {
  const {
    registry: makeRegistry,
    clock = () => new SystemClock(),
    logger = () => consoleLogger(env),
  } = options;
  container.provide(Clock, clock);
  container.provide(Logger, logger);
  container.provide(ServerDefaults, () => new ServerDefaults(env.server));
  container.provide(ClientDefaults, () => new ClientDefaults(env.client));
  const registry =
    makeRegistry ??
    (await env.choice('MICRO_REGISTRY', REGISTRIES, 'mdns')(env.list('MICRO_REGISTRY_ADDRESS')));
  container.provide(InnerRegistry, registry);
  container.provide(Registry, cached);
  container.provide(
    Transport,
    options.transport ??
      (await env.choice('MICRO_TRANSPORT', TRANSPORTS, 'http')(env.list('MICRO_TRANSPORT_ADDRESS'), env.tls)),
  );
  container.provide(
    Broker,
    options.broker ??
      (await env.choice('MICRO_BROKER', BROKERS, 'http')(env.list('MICRO_BROKER_ADDRESS'), env.tls)),
  );
  container.provide(
    Selector,
    options.selector ?? (await env.choice('MICRO_SELECTOR', SELECTORS, 'cache')(env)),
  );
  const codecs = options.codecs ?? [
    (await import('../codec/protobuf.js')).protobuf(),
    (await import('../codec/json.js')).json(),
    // Go's callers of old speak these where nothing says what a node speaks.
    (await import('../codec/jsonrpc.js')).jsonrpc(),
    (await import('../codec/protorpc.js')).protorpc(),
  ];
  container.provide(Codecs, (resolve) => new Codecs(codecs.map((codec) => codec(resolve))));
  const { server } = options;
  const single = typeof server === 'function' ? server : undefined;
  return {
    client: options.client ?? (await env.choice('MICRO_CLIENT', CLIENTS, 'rpc')(env.tls)),
    server: single ?? (await env.choice('MICRO_SERVER', SERVERS, 'rpc')(env.tls)),
  };
}

/** The registry that the cache stands around; nobody else asks for it. */
abstract class InnerRegistry extends Registry {}

const cached: Provider<Registry> = (resolve) => {
  const inner = resolve(InnerRegistry);
  if (inner instanceof CachedRegistry) return inner;
  return new CachedRegistry(inner, { clock: resolve(Clock), logger: resolve(Logger) });
};

function consoleLogger(env: Environment): Logger {
  const levels = Object.fromEntries(LEVELS.map((level) => [level, level])) as Record<string, Level>; // each under its name
  return new ConsoleLogger({ level: env.choice('MICRO_LOG_LEVEL', levels, 'info') });
}
