import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { grpc as grpcClient } from '../../src/client/grpc.js';
import { http as httpClient } from '../../src/client/http.js';
import { rpc as rpcClient } from '../../src/client/rpc.js';
import { grpc as grpcServer } from '../../src/server/grpc.js';
import { http as httpServer } from '../../src/server/http.js';
import { rpc as rpcServer } from '../../src/server/rpc.js';
import { Exposition } from '../../src/service/exposition.js';
import type { AppOptions } from '../../src/service/service.js';
import { TestApp } from '../../src/testing/test-app.js';
import { http } from '../../src/transport/http.js';
import { metrics } from '../../src/wrapper/metrics.js';
import type { Exposes, Wrapper } from '../../src/wrapper/wrapper.js';
import { Probe, ProbeClient } from '../conformance/probe.js';

/** Counts nothing, and tells what it was asked. */
class Counting implements Exposes {
  readonly prefixes: readonly string[];
  made = 0;
  /** How many apps run with it. */
  joined = 0;
  /** Of the machine's time, in milliseconds, that a page costs. */
  costs = 0;
  failing = false;

  constructor(prefix = 'x_') {
    this.prefixes = [prefix];
  }

  async text(): Promise<string> {
    if (this.failing) throw new Error('a secret');
    const begun = performance.now();
    while (performance.now() - begun < this.costs);
    const [prefix] = this.prefixes;
    return `# TYPE ${prefix}made counter\n${prefix}made ${++this.made}\n`;
  }

  readonly #joins = () => ({
    start: () => void this.joined++,
    stop: () => void this.joined--,
  });

  get wrapper(): Wrapper {
    return Object.assign<Wrapper, Partial<Wrapper>>((call, next) => next(call), {
      exposes: this,
      joins: this.#joins,
    });
  }
}

const started = (options: AppOptions = {}): Promise<TestApp> =>
  TestApp.create({ services: [Probe], transport: http(), ...options }).start();

async function scrape(app: TestApp): Promise<{ status: number; type: string | null; text: string }> {
  const { address = '' } = app.service().server.node ?? {};
  const response = await fetch(`http://${address}/metrics`);
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    text: await response.text(),
  };
}

describe('what wrappers count', () => {
  const places: readonly (readonly [string, (wrapper: Wrapper) => AppOptions])[] = [
    ['a server', (wrapper) => ({ server: rpcServer({ wrappers: [wrapper] }) })],
    ['subscribers', (wrapper) => ({ server: rpcServer({ subscriberWrappers: [wrapper] }) })],
    ['a client', (wrapper) => ({ client: rpcClient({ wrappers: [wrapper] }) })],
    ['attempts', (wrapper) => ({ client: rpcClient({ callWrappers: [wrapper] }) })],
  ];
  for (const [where, options] of places)
    it(`is on the port of the service when it stands around ${where}`, async () => {
      const counting = new Counting();
      await using app = await started(options(counting.wrapper));
      const { status, type, text } = await scrape(app);
      assert.equal(status, 200);
      assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8');
      assert.match(text, /^x_made 1$/m);
      assert.equal(counting.joined, 1);
      await app.stop();
      assert.equal(counting.joined, 0);
    });

  it('is one, and joins once, in however many places one wrapper stands', async () => {
    const counting = new Counting();
    const wrappers = [counting.wrapper];
    await using app = await started({
      server: rpcServer({ wrappers, subscriberWrappers: wrappers }),
      client: rpcClient({ wrappers }),
    });
    assert.equal(counting.joined, 1);
    assert.equal((await scrape(app)).text.match(/^x_made/gm)?.length, 1);
  });

  it('is one page, of several wrappers', async () => {
    const wrappers = [new Counting('a_').wrapper, new Counting('b_').wrapper];
    await using app = await started({ server: rpcServer({ wrappers }) });
    assert.match((await scrape(app)).text, /^a_made 1$[^]*^b_made 1$/m);
  });

  it('cannot be told apart under one prefix, which fails the start', async () => {
    const wrappers = [new Counting().wrapper, new Counting().wrapper];
    await assert.rejects(started({ server: rpcServer({ wrappers }) }), {
      code: 'failed_precondition',
      message: /two metrics wrappers have the prefix "x_": make one/,
    });
  });

  const ends = {
    http: { server: httpServer, client: httpClient() },
    'http, by HTTP/2': { server: httpServer, client: httpClient({ version: '2' }) },
    grpc: { server: grpcServer, client: grpcClient() },
  } as const;
  for (const [name, { server, client }] of Object.entries(ends))
    it(`is there of the parts that there are, also where nothing needs a transport: ${name}`, async () => {
      const counting = await metrics();
      await using app = await started({ server: server({ wrappers: [counting] }), client });
      await app.client(ProbeClient).echo({ count: 1 });
      const text = await counting.text();
      assert.match(text, /octavo_registry_questions_total\{/);
      assert.match(text, /octavo_broker_published_total\{/);
      const [wire] = name.split(',');
      const samples = [...text.matchAll(/^octavo_connections\{transport="(.+)",state="(.+)"\} (\d+)$/gm)];
      const open = new Map<string | undefined, number>();
      for (const [, transport, , count] of samples)
        open.set(transport, (open.get(transport) ?? 0) + Number(count));
      assert.deepEqual(
        [...open],
        [
          [`${wire} client`, 1],
          [`${wire} server`, 1],
        ],
      );
    });

  it('is at the admin address, where there is one', async () => {
    const server = rpcServer({ wrappers: [new Counting().wrapper], admin: { address: '127.0.0.1:0' } });
    await using app = await TestApp.create({ services: [Probe], server }).start();
    // A server that dispatches has one.
    const { adminAddress } = app.service().server as unknown as { adminAddress: string };
    const response = await fetch(`http://${adminAddress}/metrics`);
    assert.match(await response.text(), /^x_made 1$/m);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  });

  it('is shown to others at an admin address that they can reach, which the log says', async () => {
    for (const [host, warned] of [
      ['127.0.0.1', 0],
      ['0.0.0.0', 1],
    ] as const) {
      const server = rpcServer({ admin: { address: `${host}:0` } });
      await using app = await TestApp.create({ services: [Probe], server }).start();
      const said = app.logs.records.filter(({ message }) => message.includes('shows health and metrics'));
      assert.equal(said.length, warned, host);
    }
  });

  it('is not there without such a wrapper, which the answer says', async () => {
    await using app = await started();
    const { status, text } = await scrape(app);
    assert.equal(status, 404);
    assert.match(text, /attach octavo\/wrapper\/metrics/);
  });

  const routes: readonly (readonly [string, (app: FastifyInstance) => void])[] = [
    ['route', (app) => void app.get('/metrics', () => 'my own')],
    ['plugin', (app) => void app.register(async (plugin) => void plugin.get('/metrics', () => 'my own'))],
  ];
  for (const [what, mount] of routes)
    it(`gives way to a ${what} of the user’s`, async () => {
      const server = rpcServer({ wrappers: [new Counting().wrapper] });
      await using app = await started({ server, transport: http({ routes: mount }) });
      assert.equal((await scrape(app)).text, 'my own');
    });

  it('that cannot be made says nothing of why, and is made again', async () => {
    const counting = new Counting();
    counting.failing = true;
    await using app = await started({ server: rpcServer({ wrappers: [counting.wrapper] }) });
    const { status, text } = await scrape(app);
    assert.equal(status, 500);
    assert.doesNotMatch(text, /secret/);
    counting.failing = false;
    let again = await scrape(app);
    while (again.status === 500) again = await scrape(app);
    assert.match(again.text, /^x_made 1$/m);
  });
});

describe('an exposition', () => {
  it('makes one page for all who ask at once', async () => {
    const counting = new Counting();
    const exposition = new Exposition([counting.wrapper]);
    await Promise.all(Array.from({ length: 100 }, async () => exposition.page()));
    assert.equal(counting.made, 1);
  });

  it('takes a tenth of the time at most, whoever asks all the time', async () => {
    const counting = new Counting();
    counting.costs = 5;
    const exposition = new Exposition([counting.wrapper]);
    const begun = performance.now();
    while (counting.made < 5) await exposition.page();
    assert.ok(performance.now() - begun >= 4 * 10 * counting.costs);
  });
});
