import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { memory } from '../../../src/broker/memory.js';
import { rpc as rpcClient } from '../../../src/client/rpc.js';
import type { Provider } from '../../../src/core/provider.js';
import type { Registry, ServiceRecord } from '../../../src/registry/registry.js';
import { createService } from '../../../src/service/run.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { GoGreeter, GoGreeterClient } from '../../support/go-greeter.js';
import { buildGo, GoProgram } from '../../support/go-program.js';
import { parts } from '../../support/parts.js';
import { eventually } from './registry-faults.js';

/** The program with go-micro's registries; `undefined` where it cannot be built. */
export const path = buildGo('test/backends/peers/registry-go');

export interface GoBench {
  readonly name: 'consul' | 'etcd' | 'kubernetes' | 'zookeeper';
  readonly start: () => Promise<{ readonly address: string; stop(): Promise<void> }>;
  readonly provide: (address: string) => Provider<Registry>;
  /** Why a watch of go-micro's own is told nothing there, whoever registers. */
  readonly deaf?: string;
}

const NODE = { id: 'greeter-1', address: '127.0.0.1:4000', metadata: { protocol: 'mucp', city: 'Zürich' } };
const VALUE = {
  name: 'HelloRequest',
  type: 'HelloRequest',
  values: [{ name: 'name', type: 'string', values: [] }],
};
const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1.0.0',
  metadata: {},
  endpoints: [
    {
      name: 'Greeter.Hello',
      request: VALUE,
      response: { ...VALUE, values: [] },
      metadata: { stream: 'true' },
    },
  ],
  nodes: [NODE],
};
const GOPHER: ServiceRecord = { ...GREETER, name: 'gopher', nodes: [{ ...NODE, id: 'gopher-1' }] };

/** What Go says of a service: it writes `null` for what is empty. */
interface GoService {
  readonly name: string;
  readonly version: string;
  readonly nodes: readonly { id: string; address: string; metadata: Record<string, string> | null }[] | null;
  readonly endpoints: readonly { name: string }[] | null;
}

/** What holds of a registry beside that of go-micro on the same server. */
export function besideGo(bench: GoBench): void {
  let server: Awaited<ReturnType<GoBench['start']>>;
  let go: GoProgram;
  before(async () => {
    server = await bench.start();
    go = await GoProgram.start(path ?? '', [bench.name, server.address]);
  });
  after(async () => {
    await go[Symbol.asyncDispose]();
    await server.stop();
  });

  function make(): Registry {
    // It asks for nothing but these.
    const resolve = (token: { readonly name: string }): never => {
      const { clock, logger } = parts();
      return (token.name === 'Clock' ? clock : logger) as never;
    };
    return bench.provide(server.address)(resolve);
  }

  it('is found by Go, and finds what Go registers, whole', async () => {
    const registry = make();
    await registry.start();
    try {
      await registry.register(GREETER, { ttlMs: 60_000 });
      await eventually(registry, ['greeter-1']);
      const [found] = await go.ask<GoService[]>({ do: 'get', name: 'greeter' });
      assert.equal(found?.version, '1.0.0');
      assert.deepEqual(found.nodes, [NODE]);
      assert.deepEqual(
        found.endpoints?.map(({ name }) => name),
        ['Greeter.Hello'],
      );
      await go.ask({ do: 'register', service: GOPHER });
      await until(async () => (await registry.getService('gopher')).length > 0);
      assert.deepEqual(await registry.getService('gopher'), [GOPHER]);
      assert.deepEqual(await registry.listServices(), ['gopher', 'greeter']);
      await go.ask({ do: 'deregister', service: GOPHER });
      await until(async () => (await registry.getService('gopher')).length === 0);
      await registry.deregister(GREETER);
      await until(async () => (await registry.listServices()).length === 0);
    } finally {
      await registry.stop();
    }
  });

  it('tells Go of changes, and is told of those of Go, each once', async () => {
    const registry = make();
    await registry.start();
    try {
      if (bench.deaf === undefined) {
        await go.ask({ do: 'watch', name: 'greeter' });
        await registry.register(GREETER, { ttlMs: 60_000 });
        await go.next('change');
        await registry.deregister(GREETER);
        for (let action: unknown; action !== 'delete';) action = (await go.next('change')).action;
      }
      const changes = registry.watch({ service: 'gopher' })[Symbol.asyncIterator]();
      await registry.getService('gopher');
      for (const command of ['register', 'register']) await go.ask({ do: command, service: GOPHER });
      assert.deepEqual(await changes.next(), { done: false, value: { action: 'create', service: GOPHER } });
      await go.ask({ do: 'deregister', service: GOPHER });
      assert.deepEqual(await changes.next(), { done: false, value: { action: 'delete', service: GOPHER } });
      await changes.return?.();
    } finally {
      await registry.stop();
    }
  });

  it('lets services call each other, both ways, and know when one has gone', async () => {
    const options = {
      registry: bench.provide(server.address),
      broker: memory(),
      client: rpcClient({ contentType: 'application/json' }),
      logger: () => new TestLogger(),
      env: {},
    };
    const looking = make();
    await looking.start();
    const service = createService({ services: [GoGreeter], ...options });
    await service.start();
    try {
      await until(async () => (await looking.getService('greeter')).length > 0);
      const call = { do: 'call', name: 'greeter', endpoint: 'Greeter.Hello', body: 'Go' };
      assert.equal((await go.ask<{ msg: string }>(call)).msg, 'Hello Go');
    } finally {
      await service.stop();
    }
    await until(async () => (await looking.getService('greeter')).length === 0);
    await go.ask({ do: 'serve', name: 'greeter' });
    await until(async () => (await looking.getService('greeter')).length > 0);
    const caller = createService({ name: 'caller', ...options });
    await caller.start();
    try {
      assert.equal((await caller.resolve(GoGreeterClient).hello({ name: 'Octavo' })).msg, 'Hello Octavo');
      await go.ask({ do: 'stop' });
      await until(async () => (await looking.getService('greeter')).length === 0);
    } finally {
      await caller.stop();
      await looking.stop();
    }
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}
