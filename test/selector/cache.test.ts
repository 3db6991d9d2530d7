import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { MemoryRegistry } from '../../src/registry/memory.js';
import type { ServiceRecord } from '../../src/registry/registry.js';
import { CacheSelector } from '../../src/selector/cache.js';
import { byEndpoint, byLabel, byVersion } from '../../src/selector/filter.js';
import { roundRobin } from '../../src/selector/strategy.js';
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

describe('CacheSelector', () => {
  conform<SelectorSubject, typeof selectorSuite>(test, selectorSuite, subject);

  it('takes a node back in after its time', async () => {
    const { selector, registry, clock } = subject();
    await registry.register(GREETER);
    for (const node of nodes('a', 'b'))
      selector.mark('greeter', node, new OctavoError('unavailable', 'x', { executed: false }));
    const pick = async (): Promise<string> => (await selector.select('greeter'))().id;
    assert.equal(await pick(), 'c');
    await clock.advance(5_000);
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) seen.add(await pick());
    assert.equal(seen.size, 3);
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
});
