import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memory } from '../../../src/broker/memory.js';
import type { Registry } from '../../../src/registry/registry.js';
import { createService } from '../../../src/service/run.js';
import { TestLogger } from '../../../src/testing/test-logger.js';
import { Child } from '../../support/child.js';
import { freePorts } from '../../support/free-port.js';
import { GoGreeter, GoGreeterClient } from '../../support/go-greeter.js';
import { eventually, record, Told } from './registry-faults.js';

export interface MannersBench {
  /** As `MICRO_REGISTRY` has it. */
  readonly names: readonly string[];
  readonly start: () => Promise<{ readonly address: string; stop(): Promise<void> }>;
  readonly make: (addresses: readonly string[]) => Registry;
  /** Why nobody takes away what another has registered. */
  readonly apart?: string;
}

/** How any registry on a server behaves among the rest. */
export function registryManners(bench: MannersBench): void {
  const on = (run: (address: string) => Promise<void>) => async (): Promise<void> => {
    const server = await bench.start();
    try {
      await run(server.address);
    } finally {
      await server.stop();
    }
  };

  for (const name of bench.names)
    it(
      `is chosen by MICRO_REGISTRY=${name}, and services find each other by it`,
      on(async (address) => {
        const env = { MICRO_REGISTRY: name, MICRO_REGISTRY_ADDRESS: address };
        const options = { broker: memory(), logger: () => new TestLogger(), env };
        const service = createService({ services: [GoGreeter], ...options });
        const caller = createService({ name: 'caller', ...options });
        await service.start();
        await caller.start();
        try {
          const { msg } = await caller
            .resolve(GoGreeterClient)
            .hello({ name: 'Ada' }, { waitForReady: true });
          assert.equal(msg, 'Hello Ada');
        } finally {
          await caller.stop();
          await service.stop();
        }
      }),
    );

  it(
    'asks the next server where one is not there',
    on(async (address) => {
      const [nobody = 0] = await freePorts(1);
      const registry = bench.make([`127.0.0.1:${nobody}`, address]);
      await registry.start();
      try {
        const told = new Told(registry.watch({ service: 'greeter' }));
        for (let n = 0; n < 10; n++) await registry.register(record(`a${n}`), { ttlMs: 10_000 });
        await told.until('create a9');
        await eventually(
          registry,
          Array.from({ length: 10 }, (_, n) => `a${n}`),
        );
      } finally {
        await registry.stop();
      }
    }),
  );

  it(
    'has a node back at once that somebody took away by hand, and not one that it took away itself',
    { skip: bench.apart },
    on(async (address) => {
      const [registry, other] = [bench.make([address]), bench.make([address])];
      await registry.start();
      await other.start();
      try {
        const told = new Told(other.watch({ service: 'greeter' }));
        await registry.register(record('a'), { ttlMs: 60_000 });
        await told.until('create a');
        await other.deregister(record('a'));
        await told.until('delete a');
        told.events.length = 0;
        await told.until('create a');
        await registry.register(record('b'), { ttlMs: 60_000 });
        for (const id of ['a', 'b']) await registry.deregister(record(id));
        for (const id of ['a', 'b']) await told.until(`delete ${id}`);
        await eventually(other, []);
        assert.deepEqual(told.events, ['create a', 'create b', 'delete a', 'delete b']);
      } finally {
        await registry.stop();
        await other.stop();
      }
    }),
  );

  it(
    'lets its process end when it is stopped',
    on(async (address) => {
      const args = [bench.names[0] ?? '', address, 'a', '10000', 'stop'];
      const child = Child.start('backends/peers/registry-peer.js', args);
      await child.next('stopped');
      const begin = Date.now();
      assert.equal(await child.ended, 0);
      assert.ok(Date.now() - begin < 3_000, `${Date.now() - begin} ms`);
    }),
  );

  it('says whether those on other machines see what it has', () => {
    assert.equal(bench.make(['127.0.0.1:1', '[::1]:2']).local, true);
    assert.equal(bench.make(['127.0.0.1:1', 'registry.example:2']).local, false);
  });
}
