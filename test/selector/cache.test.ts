import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { isPromise } from '../../src/core/lifecycle.js';
import { CachedRegistry } from '../../src/registry/cache.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import type { Registry, ServiceRecord } from '../../src/registry/registry.js';
import { CacheSelector } from '../../src/selector/cache.js';
import { byEndpoint, byLabel, byVersion } from '../../src/selector/filter.js';
import { random, roundRobin } from '../../src/selector/strategy.js';
import type { Filter } from '../../src/selector/selector.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { conform } from '../conformance/conform.js';
import { wrapped } from '../support/wrapped.js';
import { selectorSuite, type SelectorSubject } from '../conformance/selector.js';

function subject(): SelectorSubject & { readonly clock: VirtualClock; readonly selector: CacheSelector } {
  const clock = new VirtualClock();
  const registry = new MemoryRegistry({}, { clock });
  const selector = new CacheSelector({}, { registry, clock });
  return { clock, registry, selector, start: () => selector.start(), stop: () => selector.stop() };
}

function nodes(...ids: readonly string[]): ServiceRecord['nodes'] {
  return ids.map((id) => ({ id, address: '127.0.0.1:1', metadata: { zone: id } }));
}

const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1',
  metadata: {},
  endpoints: [],
  nodes: nodes('a', 'b', 'c'),
};

const REFUSED = new OctavoError('unavailable', 'nobody answers', { executed: false });

/** How often each node was chosen. */
async function counted(selector: CacheSelector, times = 200): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (let n = 0; n < times; n++) {
    const { id } = (await selector.select('greeter'))();
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

describe('CacheSelector', () => {
  conform<SelectorSubject, typeof selectorSuite>(test, selectorSuite, subject);

  it('takes a node back in after its time', async () => {
    const { selector, registry, clock } = subject();
    await registry.register(GREETER);
    for (const node of nodes('a', 'b')) selector.mark('greeter', node, REFUSED);
    assert.deepEqual([...(await counted(selector)).keys()], ['c']);
    await clock.advance(4_999);
    assert.deepEqual([...(await counted(selector)).keys()], ['c']);
    await clock.advance(1);
    assert.equal((await counted(selector)).size, 3);
  });

  it('takes no node out where it is told so', async () => {
    const { clock, registry } = subject();
    const selector = new CacheSelector({ asideMs: 0 }, { clock, registry });
    await registry.register(GREETER);
    for (const node of nodes('a', 'b')) selector.mark('greeter', node, REFUSED);
    assert.equal((await counted(selector)).size, 3);
  });

  it('takes a node out when a request did not reach it, and for nothing else', async () => {
    const { selector, registry } = subject();
    await registry.register(GREETER);
    const [a] = nodes('a');
    assert.ok(a !== undefined);
    selector.mark('greeter', a, new OctavoError('unavailable', 'it broke off'));
    selector.mark('greeter', a, new OctavoError('resource_exhausted', 'full', { executed: false }));
    selector.mark('greeter', a, new OctavoError('deadline_exceeded', 'late'));
    assert.equal((await counted(selector)).size, 3);
    selector.mark('greeter', a, REFUSED);
    assert.equal((await counted(selector)).size, 2);
  });

  it('forgets what it learnt when it stops', async () => {
    const { selector, registry } = subject();
    await registry.register(GREETER);
    for (const node of nodes('a', 'b')) selector.mark('greeter', node, REFUSED);
    await selector.stop();
    await selector.start();
    assert.equal((await counted(selector)).size, 3);
  });

  it('chooses any node as often as another', async () => {
    const { selector, registry } = subject();
    await registry.register(GREETER);
    // A thousand are expected of each; 750 are ten standard deviations away.
    for (const times of (await counted(selector, 3_000)).values()) assert.ok(times > 750, `${times}`);
  });

  describe('around a registry that remembers', () => {
    async function remembering(): Promise<{
      selector: CacheSelector;
      registry: CachedRegistry;
      world: Registry;
    }> {
      const { clock, registry: world } = subject();
      const registry = new CachedRegistry(world, { clock, logger: new TestLogger() });
      await world.register(GREETER);
      await registry.getService('greeter');
      return { selector: new CacheSelector({}, { clock, registry }), registry, world };
    }

    it('chooses without waiting', async () => {
      const { selector, registry } = await remembering();
      const next = selector.select('greeter');
      assert.ok(!isPromise(next));
      assert.match(next().id, /^[abc]$/);
      await registry.stop();
    });

    it('filters once, until something changes', async () => {
      const { selector, registry, world } = await remembering();
      let runs = 0;
      const filter: Filter = (services) => {
        runs++;
        return services;
      };
      const other: Filter = (services) => services;
      for (let n = 0; n < 10; n++) {
        await selector.select('greeter', { filters: [filter] });
        await selector.select('greeter', { filters: [filter, other] });
        await selector.select('greeter');
      }
      assert.equal(runs, 2);
      await registry.deregister({ ...GREETER, nodes: nodes('a') });
      await world.register({ ...GREETER, nodes: nodes('d') });
      await selector.select('greeter', { filters: [filter] });
      assert.equal(runs, 3);
      await registry.stop();
    });

    it('remembers the newest filters only', async () => {
      const { selector, registry } = await remembering();
      const runs: number[] = [];
      const filters = Array.from({ length: 9 }, (_, n): Filter => (services) => {
        runs.push(n);
        return services;
      });
      for (const filter of filters) await selector.select('greeter', { filters: [filter] });
      for (const filter of filters.toReversed()) await selector.select('greeter', { filters: [filter] });
      assert.deepEqual(runs, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
      await registry.stop();
    });
  });
});

describe('a wrapped CacheSelector', () => {
  conform<SelectorSubject, typeof selectorSuite>(test, selectorSuite, () => {
    const { selector, ...rest } = subject();
    return { ...rest, selector: wrapped(selector) };
  });
});

describe('roundRobin', () => {
  it('takes each node in turn, across calls', async () => {
    const { selector, registry } = subject();
    await registry.register(GREETER);
    const strategy = roundRobin();
    const picked: string[] = [];
    for (let n = 0; n < 6; n++) picked.push((await selector.select('greeter', { strategy }))().id);
    assert.deepEqual(picked.slice(0, 3).toSorted(), ['a', 'b', 'c']);
    assert.deepEqual(picked.slice(3), picked.slice(0, 3));
  });

  it('counts for each service by itself', () => {
    const strategy = roundRobin();
    const [two, three] = [nodes('a', 'b'), nodes('c', 'd', 'e')];
    const picked: string[] = [];
    for (let n = 0; n < 6; n++) picked.push(strategy('one', two).id, strategy('other', three).id);
    for (const id of ['a', 'b']) assert.equal(picked.filter((each) => each === id).length, 3);
    for (const id of ['c', 'd', 'e']) assert.equal(picked.filter((each) => each === id).length, 2);
  });

  it('goes on when nodes come and go', () => {
    const strategy = roundRobin();
    for (const all of [nodes('a'), nodes('a', 'b', 'c'), nodes('b'), nodes('a', 'b')])
      for (let n = 0; n < 3; n++) assert.ok(all.includes(strategy('greeter', all)));
  });
});

describe('random', () => {
  it('chooses among any number of nodes', () => {
    for (const all of [nodes('a'), nodes('a', 'b')])
      for (let n = 0; n < 20; n++) assert.ok(all.includes(random()('greeter', all)));
  });
});

describe('filters', () => {
  const endpoint = { name: 'Greeter.Hello', metadata: {} };
  const services: readonly ServiceRecord[] = [
    { ...GREETER, endpoints: [endpoint] },
    { ...GREETER, version: '2', nodes: nodes('d') },
  ];
  const left = (found: readonly ServiceRecord[]): string[] =>
    found.flatMap((each) => each.nodes.map(({ id }) => id));

  it('keep by endpoint, version and label', () => {
    assert.deepEqual(left(byEndpoint('Greeter.Hello')(services)), ['a', 'b', 'c']);
    assert.deepEqual(left(byVersion('2')(services)), ['d']);
    assert.deepEqual(left(byLabel('zone', 'b')(services)), ['b']);
    assert.deepEqual(left(byLabel('zone', 'nowhere')(services)), []);
  });

  it('change nothing of what they are given', () => {
    const before = structuredClone(services);
    for (const filter of [byEndpoint('x'), byVersion('x'), byLabel('zone', 'b')]) filter(services);
    assert.deepEqual(services, before);
  });

  it('leave a version as it is where nothing of it goes', () => {
    const [kept] = byLabel('zone', 'd')(services);
    assert.equal(kept, services[1]);
  });

  it('find no label that is a member of every object', () => {
    assert.deepEqual(left(byLabel('constructor', '')(services)), []);
  });
});
