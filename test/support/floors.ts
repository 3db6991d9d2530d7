import { posix } from 'node:path';

/** Files by path, such as `src/core/error.ts`, and their text. */
export type Tree = Readonly<Record<string, string>>;

interface Import {
  readonly from: string;
  readonly to: string;
}

const CONTRACTS = [
  'codec',
  'transport',
  'registry',
  'broker',
  'wrapper',
  'selector',
  'client',
  'server',
  'service',
] as const;

/** In the folder of a contract, but no provider: what several of them, or the container, stand on. */
const SHARED = new Set([
  'src/codec/codecs.ts',
  'src/broker/envelope.ts',
  'src/broker/handout.ts',
  'src/broker/losses.ts',
  'src/broker/publishes.ts',
  'src/broker/served.ts',
  'src/broker/served-broker.ts',
  'src/broker/traffic.ts',
  'src/transport/limits.ts',
  'src/registry/cache.ts',
  'src/registry/followed-nodes.ts',
  'src/registry/node-record.ts',
  'src/registry/node-view.ts',
  'src/registry/record.ts',
  'src/registry/record-json.ts',
  'src/registry/record-key.ts',
  'src/registry/vigil.ts',
  'src/registry/watches.ts',
  'src/selector/aside.ts',
  'src/selector/blame.ts',
  'src/selector/in-flight.ts',
  'src/selector/registry-selector.ts',
  'src/selector/rendezvous.ts',
  'src/selector/semver.ts',
  'src/selector/strategy.ts',
  'src/selector/filter.ts',
  'src/client/proxy.ts',
  'src/client/wrapped-client.ts',
  'src/wrapper/attach.ts',
  'src/wrapper/bounded.ts',
  'src/wrapper/ending.ts',
  'src/wrapper/named-by.ts',
  'src/wrapper/wrapper-class.ts',
  'src/client/calling-client.ts',
  'src/client/client-defaults.ts',
  'src/server/dispatcher.ts',
  'src/server/dispatching-server.ts',
  'src/server/read-request.ts',
  'src/server/record.ts',
  'src/server/registration.ts',
  'src/server/reply-sink.ts',
  'src/server/running-call.ts',
  'src/server/server-call.ts',
  'src/server/subscriptions.ts',
  'src/server/stream-pulse.ts',
  'src/server/server-defaults.ts',
  'src/server/debug.ts',
  'src/server/debug-trace.ts',
  'src/server/admin.ts',
]);

/** The same, where it takes more than a file. */
const SHARED_FOLDERS = ['src/client/calling/', 'src/transport/bus/'];

/** What several providers on one backend share: files of the lowest floor, and the package that each may load. */
const BACKENDS: Readonly<Record<string, string>> = {
  'src/core/nats.ts': '@nats-io/transport-node',
  'src/core/nats-connection.ts': '@nats-io/transport-node',
  'src/core/rabbitmq-connection.ts': 'rabbitmq-client',
  'src/core/redis.ts': 'ioredis',
  'src/core/redis-connector.ts': 'ioredis',
};

const DOORS = new Set(['src/index.ts', 'src/testing/index.ts']);

/** What a file may import, in words that start with a file of each floor. */
function floorOf(path: string): number {
  if (/^src\/(core|schema)\//.test(path)) return 0;
  if (CONTRACTS.some((name) => path === `src/${name}/${name}.ts`)) return 1;
  if (DOORS.has(path)) return 5;
  if (/^src\/(service|testing)\//.test(path)) return 3;
  if (path.startsWith('decorators/')) return 4;
  return 2;
}

/** Every import of every file: types, re-exports and those made while running too. */
function importsOf(tree: Tree): Import[] {
  const found: Import[] = [];
  for (const [from, text] of Object.entries(tree))
    for (const [, , to = ''] of text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"$]+)\1/g))
      found.push({
        from,
        to: to.startsWith('.') ? posix.join(posix.dirname(from), to).replace(/\.js$/, '.ts') : to,
      });
  return found;
}

/** Everything in a tree that breaks a rule of the floors, in words. */
export function violations(tree: Tree): string[] {
  const imports = importsOf(tree);
  return [...imports.flatMap(broken), ...cycles(imports)];
}

function broken({ from, to }: Import): string[] {
  const said: string[] = [];
  const say = (rule: string): void => void said.push(`${from} imports ${to}: ${rule}`);
  const inside = to.endsWith('.ts');
  if (to === 'tsyringe' && !from.startsWith('src/service/')) say('only src/service knows tsyringe');
  if (!inside) {
    if (floorOf(from) === 0 && !to.startsWith('node:')) {
      const own = from.startsWith('src/schema/') && /^(protobufjs|class-validator|long)(\/|$)/.test(to);
      if (!own && BACKENDS[from] !== to) say('the lowest floor stands on Node alone');
    }
    return said;
  }
  if (DOORS.has(to)) say('nobody inside uses a door');
  const [low, high] = [floorOf(to), floorOf(from)];
  if (low > high) say(`floor ${high} stands on floor ${low}`);
  if (high === 1 && low === 1 && rank(to) > rank(from)) say('a contract stands on those below it');
  if (high === 2 && low === 2 && !isShared(to) && ownerOf(to) !== ownerOf(from))
    say('a provider knows no other provider');
  if (low === 2 && isPart(to) && !isShared(to) && ownerOf(to) !== ownerOf(from))
    say('the parts of a provider are its own');
  if (high === 4 && low === 2 && !SHARED.has(to)) say('decorators know no provider');
  return said;
}

/** codec, transport, registry, broker and wrapper stand beside each other, below selector, client and server, and service. */
function rank(path: string): number {
  const at = CONTRACTS.findIndex((name) => path === `src/${name}/${name}.ts`);
  return at < 5 ? 0 : at === 5 ? 1 : at < 8 ? 2 : 3;
}

/** The provider that a file is, or is a part of: `src/transport/http` for `src/transport/http/flow.ts`. */
function ownerOf(path: string): string {
  return path.split('/').slice(0, 3).join('/').replace(/\.ts$/, '');
}

function isShared(path: string): boolean {
  return SHARED.has(path) || SHARED_FOLDERS.some((folder) => path.startsWith(folder));
}

function isPart(path: string): boolean {
  return path.startsWith('src/') && path.split('/').length > 3;
}

function cycles(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) if (to.endsWith('.ts')) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(`a cycle: ${[...path.slice(at), file].join(' -> ')}`);
    if (at >= 0 || done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}
