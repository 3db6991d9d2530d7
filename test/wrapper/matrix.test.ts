import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { http as httpBroker } from '../../src/broker/http.js';
import { memory as memoryBroker } from '../../src/broker/memory.js';
import type { Client, ClientOptions } from '../../src/client/client.js';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { OctavoError } from '../../src/core/error.js';
import type { Provider } from '../../src/core/provider.js';
import { memory as memoryRegistry } from '../../src/registry/memory.js';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import type { Server, ServerOptions } from '../../src/server/server.js';
import { createService } from '../../src/service/run.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { grpc } from '../../src/transport/grpc.js';
import { http } from '../../src/transport/http.js';
import { memory as memoryTransport } from '../../src/transport/memory.js';
import { tcp } from '../../src/transport/tcp.js';
import type { Transport } from '../../src/transport/transport.js';
import { breaker } from '../../src/wrapper/breaker.js';
import { bulkhead } from '../../src/wrapper/bulkhead.js';
import { cache } from '../../src/wrapper/cache.js';
import { dedupe } from '../../src/wrapper/dedupe.js';
import { fallback } from '../../src/wrapper/fallback.js';
import { jwt, jwtClient } from '../../src/wrapper/jwt.js';
import { log } from '../../src/wrapper/log.js';
import { metrics, type Metrics } from '../../src/wrapper/metrics.js';
import { ratelimit } from '../../src/wrapper/ratelimit.js';
import { retry } from '../../src/wrapper/retry.js';
import { shed } from '../../src/wrapper/shed.js';
import { timeout } from '../../src/wrapper/timeout.js';
import { trace, type Trace } from '../../src/wrapper/trace.js';
import { validate } from '../../src/wrapper/validate.js';
import type { Call, Place, Wrapper } from '../../src/wrapper/wrapper.js';
import { Ask, Probe, ProbeClient, Signal, Told } from '../conformance/probe.js';
import { Spans } from '../support/tracing.js';

// Puts each wrapper everywhere, shows what it does there, and holds the table in docs/wrappers.md to it.
// With WRITE_DOCS=1 the table is written instead: `WRITE_DOCS=1 npm test -- wrapper/matrix && npx prettier --write docs/wrappers.md`.

const PAGE = 'docs/wrappers.md';
const BEGIN = '<!-- The table is written by test/wrapper/matrix.test.ts -->';
const END = '<!-- The table ends here -->';

/** How a call or event goes, where it does not go through memory by rpc. */
interface Way {
  readonly transport?: () => Provider<Transport>;
  readonly client?: (options: ClientOptions) => Provider<Client>;
  readonly server?: (options: ServerOptions) => Provider<Server>;
  readonly broker?: () => Provider<Broker>;
}

const MEMORY: Way = {};
/** What carries calls. */
const WIRES: Readonly<Record<string, Way>> = {
  'rpc over http': { transport: () => http() },
  'rpc over tcp': { transport: () => tcp() },
  'rpc over grpc': { transport: () => grpc() },
  gRPC: { client: grpcClient, server: grpcServer },
  'http, JSON': {
    client: (options) => httpClient({ ...options, contentType: 'application/json' }),
    server: httpServer,
  },
  'http, protobuf by HTTP/2': {
    client: (options) => httpClient({ ...options, version: '2' }),
    server: httpServer,
  },
};
/** What carries events. */
const BROKERS: Readonly<Record<string, Way>> = { 'the http broker': { broker: () => httpBroker() } };

const PLACES = {
  handler: 'handlers',
  subscriber: 'subscribers',
  call: 'a client’s calls',
  attempt: 'each attempt',
  publish: 'published events',
} as const satisfies Record<Place['around'], string>;
const KINDS = ['unary', 'server', 'client', 'bidi', 'event'] as const;
type Kind = (typeof KINDS)[number];

/** Stands inside the wrapper that is tried, and does as it is told. */
class Tap {
  mode: 'pass' | 'fail' | 'hang' | 'wrong' = 'pass';
  seen = 0;
  /** What the last call brought along. */
  authorization: string | undefined;
  readonly hanging = new Signal<() => void>();

  readonly wrapper: Wrapper = async (call, next) => {
    this.seen++;
    this.authorization = call.metadata.get('authorization');
    if (this.mode === 'wrong') return { body: wrongReply(call) };
    if (this.mode === 'fail') throw new OctavoError('unavailable', 'told to', { executed: false });
    if (this.mode === 'hang')
      await new Promise<void>((resolve, reject) => {
        call.context.onCancel(reject);
        this.hanging.fire(resolve);
      });
    return next(call);
  };
}

/** A reply that breaks a rule of its class, or a stream of them. */
function wrongReply({ kind, side }: Call): unknown {
  const told = Object.assign(new Told(), { text: 'x'.repeat(2_000) });
  const single = kind === 'unary' || (kind === 'client' && side === 'server');
  return single ? told : iterate([told]);
}

async function* iterate(items: readonly unknown[]): AsyncIterable<unknown> {
  yield* items;
}

interface Rig {
  readonly tap: Tap;
  readonly logs: TestLogger;
  /** Makes a call and gives its code. @param other as another one beside the first */
  readonly go: (other?: boolean) => Promise<string>;
}

/** Whether a wrapper did what it is for. */
type Trial = (rig: Rig) => Promise<boolean>;

/** Two at once: whether the second one is refused. */
const crowded: Trial = async ({ tap, go }) => {
  tap.mode = 'hang';
  const first = go();
  const release = await tap.hanging.next();
  tap.mode = 'pass';
  const second = await go(true);
  release();
  assert.equal(await first, 'ok');
  return second === 'resource_exhausted';
};

/** Two after each other: what became of the second one, and whether it got through. */
async function twice({ tap, go }: Rig): Promise<{ code: string; through: boolean }> {
  await go();
  const { seen } = tap;
  const code = await go();
  return { code, through: tap.seen > seen };
}

let measured: Metrics | undefined;
let traced: Trace | undefined;

const WRAPPERS: Readonly<Record<string, readonly [make: () => Wrapper | Promise<Wrapper>, trial: Trial]>> = {
  timeout: [
    () => timeout({ timeoutMs: 30 }),
    async ({ tap, go }) => {
      tap.mode = 'hang';
      return (await go()) === 'deadline_exceeded';
    },
  ],
  retry: [
    () => retry({ retries: 5, backoff: () => 1, retry: () => true }),
    async ({ go }) => (await go()) === 'ok',
  ],
  bulkhead: [() => bulkhead({ maxConcurrent: 1 }), crowded],
  breaker: [
    () => breaker({ failures: 1, by: 'endpoint' }),
    async (rig) => {
      rig.tap.mode = 'fail';
      const { code, through } = await twice(rig);
      return code === 'unavailable' && !through;
    },
  ],
  fallback: [
    () =>
      fallback({ to: (_, { kind, side }) => (kind === 'unary' || side === 'server' ? { text: 'x' } : [{}]) }),
    async ({ tap, go }) => {
      tap.mode = 'fail';
      return (await go()) === 'ok';
    },
  ],
  cache: [() => cache(), async (rig) => !(await twice(rig)).through],
  dedupe: [() => dedupe({ key: ({ endpoint }) => endpoint }), async (rig) => !(await twice(rig)).through],
  ratelimit: [
    () => ratelimit({ perSecond: 0.001, burst: 1, by: 'endpoint' }),
    async (rig) => (await twice(rig)).code === 'resource_exhausted',
  ],
  shed: [() => shed({ initial: 1, min: 1, by: ({ kind }) => kind }), crowded],
  log: [
    () => log(),
    async ({ go, logs }) => {
      await go();
      return logs.records.some(({ message }) => message === 'call' || message === 'event');
    },
  ],
  metrics: [
    async () => (measured = await metrics()),
    async ({ go }) => {
      const counted = async (): Promise<number> =>
        [...((await measured?.text()) ?? '').matchAll(/^octavo_calls_total.* (\d+)$/gm)].reduce(
          (sum, [, n]) => sum + Number(n),
          0,
        );
      const before = await counted();
      await go();
      return (await counted()) > before;
    },
  ],
  jwt: [
    () => jwt({ keys: [{ secret: Buffer.alloc(32, 7) }] }),
    async ({ go }) => (await go()) === 'unauthenticated',
  ],
  jwtClient: [
    () => jwtClient({ token: 'abc' }),
    async ({ tap, go }) => {
      await go();
      return tap.authorization === 'Bearer abc';
    },
  ],
  validate: [
    () => validate(),
    async ({ tap, go }) => {
      tap.mode = 'wrong';
      return (await go()) === 'internal';
    },
  ],
  trace: [
    async () => (traced = await trace({ provider: new Spans().provider })),
    async ({ go }) => {
      const spans = (): number => traced?.spans().length ?? 0;
      const before = spans();
      await go();
      return spans() > before;
    },
  ],
};

async function rigged<T>(
  subject: Wrapper,
  around: Place['around'],
  way: Way,
  use: (rig: (kind: Kind) => Rig) => Promise<T>,
): Promise<T> {
  const tap = new Tap();
  const logs = new TestLogger();
  const outcomes: Record<string, Signal<string>> = { things: new Signal(), others: new Signal() };
  const observe: Wrapper = async (call, next) => {
    const outcome = await next(call).then(
      () => 'ok',
      (reason: unknown) => OctavoError.from(reason).code,
    );
    outcomes[call.endpoint]?.fire(outcome);
    return { body: undefined };
  };
  const at = (place: Place['around']): Wrapper[] => (place === around ? [subject, tap.wrapper] : []);
  // What is tried again is what failed at first: each call's first attempts.
  const tries = new WeakMap<object, number>();
  const shaky: Wrapper = async (call: Call, next) => {
    const made = (tries.get(call.context) ?? 0) + 1;
    tries.set(call.context, made);
    if (made < 3) throw new OctavoError('unavailable', 'not yet', { executed: false });
    return next(call);
  };
  const isRetry = subject.unfit?.({ around: 'handler', name: '' })?.startsWith('retry') === true;
  const { transport = memoryTransport, client = rpcClient, server = rpcServer, broker = memoryBroker } = way;
  const service = createService({
    services: [Probe],
    registry: memoryRegistry(),
    broker: broker(),
    transport: transport(),
    client: client({
      wrappers: at('call'),
      callWrappers: [...at('attempt'), ...(isRetry ? [shaky] : [])],
      publishWrappers: at('publish'),
      retries: 0,
    }),
    server: server({ wrappers: at('handler'), subscriberWrappers: [observe, ...at('subscriber')] }),
    logger: () => logs,
    env: {},
  });
  try {
    await service.start();
    if (around === 'subscriber') await service.subscribe('others', Ask, () => {});
    const probe = service.resolve(ProbeClient);
    const asks = [{ count: 1 }, { count: 2 }];
    const read = async (items: AsyncIterable<unknown>): Promise<void> => {
      for await (const item of items) assert.ok(item !== undefined);
    };
    const calls: Record<Exclude<Kind, 'event'>, () => Promise<unknown>> = {
      unary: () => probe.again({}),
      server: () => read(probe.count({ count: 2 })),
      client: () => probe.sum(asks),
      bidi: () => read(probe.chat(asks)),
    };
    const codeOf = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => 'ok',
        (reason: unknown) => OctavoError.from(reason).code,
      );
    const publish = async (topic: string): Promise<string> => {
      const published = service.client.publish({ topic, body: {}, type: Ask });
      if (around === 'publish') return codeOf(published);
      await published;
      return outcomes[topic]?.next() ?? 'no such topic';
    };
    return await use((kind) => ({
      tap,
      logs,
      go: (other = false) =>
        kind === 'event' ? publish(other ? 'others' : 'things') : codeOf(calls[kind]()),
    }));
  } finally {
    await service.stop();
  }
}

/** What a wrapper does for each kind of call, at a place, on a wire or broker. */
async function tried(name: string, around: Place['around'], way: Way): Promise<string[]> {
  const [make, trial] = WRAPPERS[name] ?? assert.fail(name);
  const kinds = KINDS.filter((kind) => (kind === 'event') === isOfEvents(around));
  const cells = new Map<Kind, string>();
  try {
    await rigged(await make(), around, way, async (rig) => {
      for (const kind of kinds) {
        const each = rig(kind);
        const codes: string[] = [];
        each.tap.mode = 'pass';
        each.logs.records.length = 0;
        const go: Rig['go'] = async (other) => {
          const code = await each.go(other);
          codes.push(code);
          return code;
        };
        const done = await trial({ ...each, go });
        if (!done) assert.deepEqual(new Set(codes), new Set(['ok']), `${name} ${around} ${kind}`);
        cells.set(kind, done ? 'yes' : 'goes through');
      }
    });
  } catch (reason) {
    if (!(reason instanceof OctavoError) || reason.code !== 'failed_precondition') throw reason;
    for (const kind of kinds) cells.set(kind, 'no');
  }
  return KINDS.map((kind) => cells.get(kind) ?? '');
}

function isOfEvents(around: Place['around']): boolean {
  return around === 'subscriber' || around === 'publish';
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[ |-]*$/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('every wrapper everywhere', () => {
  const table: string[][] = [['wrapper', 'around', ...KINDS]];
  for (const name of Object.keys(WRAPPERS))
    it(`${name} does the same on every wire and broker`, async () => {
      for (const [around, label] of Object.entries(PLACES) as [Place['around'], string][]) {
        const cells = await tried(name, around, MEMORY);
        table.push([`\`${name}\``, label, ...cells]);
        for (const [what, way] of Object.entries(isOfEvents(around) ? BROKERS : WIRES))
          assert.deepEqual(await tried(name, around, way), cells, `${around} by ${what}`);
      }
    });

  after(() => {
    const page = readFileSync(PAGE, 'utf8');
    const [before = '', rest = ''] = page.split(BEGIN);
    const [written = '', behind = ''] = rest.split(END);
    if (process.env['WRITE_DOCS'] === undefined) return assert.deepEqual(rows(written), table);
    const [head = [], ...body] = table;
    const lines = [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`);
    writeFileSync(PAGE, `${before}${BEGIN}\n\n${lines.join('\n')}\n\n${END}${behind}`);
  });
});
