import { Broker, type BrokerStats } from '../../broker/broker.js';
import { CachedRegistry, type CachedRegistryStats } from '../../registry/cache.js';
import { Transport, type TransportStats } from '../../transport/transport.js';
import type { Assembled } from '../wrapper.js';
import type { Gathered, Sample } from './gathered.js';

/** Something of an app by name, and what it counts. */
type Part<S> = readonly [name: string, stats: S];

/** Shows transport, registry and broker of the apps that run. */
export function addParts(gathered: Gathered, apps: Iterable<Assembled>): void {
  addConnections(gathered, apps);
  addRegistries(gathered, () => each(apps, registryOf));
  addBrokers(gathered, () => each(apps, brokerOf));
}

function addConnections(gathered: Gathered, apps: Iterable<Assembled>): void {
  const all = (): Iterable<Part<TransportStats>> => each(apps, transportOf);
  gathered.add({
    name: 'connections',
    help: 'Connections that are open: busy and idle ones that were dialled, and those that were accepted.',
    labelNames: ['transport', 'state'],
    *read() {
      for (const [transport, { open, idle, accepted }] of all()) {
        yield [{ transport, state: 'busy' }, open - idle];
        yield [{ transport, state: 'idle' }, idle];
        yield [{ transport, state: 'accepted' }, accepted];
      }
      yield* ownConnections(apps);
    },
  });
  const waiting = 'Calls that wait for a connection.';
  add(gathered, 'transport', all)('connections_waiting', waiting, (stats) => stats.waiting);
}

/** The connections of clients and servers that stand on no transport. */
function* ownConnections(apps: Iterable<Assembled>): Iterable<Sample> {
  for (const { name, dialled, accepted } of [...apps].flatMap(({ ends }) => ends)) {
    const pool = dialled?.();
    if (pool !== undefined) {
      yield [{ transport: `${name} client`, state: 'busy' }, pool.open - pool.idle];
      yield [{ transport: `${name} client`, state: 'idle' }, pool.idle];
    }
    const count = accepted?.();
    if (count !== undefined) yield [{ transport: `${name} server`, state: 'accepted' }, count];
  }
}

function addRegistries(gathered: Gathered, all: () => Iterable<Part<CachedRegistryStats>>): void {
  const show = add(gathered, 'registry', all);
  show('registry_services', 'Services that are followed.', ({ services }) => services);
  show(
    'registry_stale_services',
    'Those that are known by an answer that may be out of date.',
    (it) => it.stale,
  );
  show('registry_questions_total', 'Questions that were put to the registry.', ({ asked }) => asked);
  show('registry_failures_total', 'Those that it did not answer.', ({ failed }) => failed);
  const last = 'When the registry last answered.';
  show('registry_last_answer_timestamp_seconds', last, ({ answeredAt }) => answeredAt && answeredAt / 1_000);
}

function addBrokers(gathered: Gathered, all: () => Iterable<Part<BrokerStats>>): void {
  const show = add(gathered, 'broker', all);
  show('broker_connected', 'Whether the broker can reach its backend.', ({ connected }) => connected && 1);
  show('broker_published_total', 'Publishes that the backend has confirmed.', ({ published }) => published);
  show('broker_publish_failures_total', 'Publishes that failed.', ({ failed }) => failed);
  show('broker_delivered_total', 'Deliveries to handlers.', ({ delivered }) => delivered);
}

/** Adds metrics of one kind of part. What it does not know is not shown; what is false is 0. */
function add<S>(gathered: Gathered, label: string, all: () => Iterable<Part<S>>) {
  return (name: string, help: string, value: (stats: S) => number | false | undefined): void =>
    gathered.add({
      name,
      help,
      labelNames: [label],
      *read(): Iterable<Sample> {
        for (const [part, stats] of all()) {
          const known = value(stats);
          if (known !== undefined) yield [{ [label]: part }, Number(known)];
        }
      },
    });
}

function* each<S>(apps: Iterable<Assembled>, of: (app: Assembled) => Part<S> | undefined): Iterable<Part<S>> {
  for (const app of apps) {
    const part = of(app);
    if (part !== undefined) yield part;
  }
}

function transportOf({ made }: Assembled): Part<TransportStats> | undefined {
  const transport = made(Transport);
  const stats = transport?.stats?.();
  return transport && stats && [transport.name, stats];
}

function registryOf({ made }: Assembled): Part<CachedRegistryStats> | undefined {
  const registry = made(CachedRegistry);
  return registry && [registry.name, registry.stats()];
}

function brokerOf({ made }: Assembled): Part<BrokerStats> | undefined {
  const broker = made(Broker);
  const stats = broker?.stats?.();
  return broker && stats && [broker.name, stats];
}
