import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import type { Node } from '../../src/registry/registry.js';
import { P2cSelector, type P2cSelectorOptions } from '../../src/selector/p2c.js';
import type { VirtualClock } from '../../src/testing/virtual-clock.js';
import { greeter, nodeOf, selecting } from '../support/selecting.js';

const NODES = ['a', 'b', 'c', 'd'].map((id) => nodeOf(id));

async function four(
  options: P2cSelectorOptions = {},
): Promise<{ clock: VirtualClock; selector: P2cSelector }> {
  const parts = selecting();
  await parts.registry.register(greeter(NODES));
  return { clock: parts.clock, selector: new P2cSelector(options, parts) };
}

/** One call to each node, which takes as long as this says. */
async function warm(
  selector: P2cSelector,
  clock: VirtualClock,
  ms: Readonly<Record<string, number>>,
): Promise<void> {
  for (const node of NODES) {
    await to(selector, node);
    await clock.advance(ms[node.id] ?? 0);
    selector.mark('greeter', node);
  }
}

async function to(selector: P2cSelector, wanted: Node): Promise<void> {
  (await selector.select('greeter', { strategy: () => wanted }))();
}

/** How often each was chosen of so many that end at once. */
async function counted(selector: P2cSelector, times: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 };
  for (let n = 0; n < times; n++) {
    const { id } = (await selector.select('greeter', { probe: true }))();
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}

describe('P2cSelector', () => {
  it('never takes the slowest of four, and the quickest half of the time', async () => {
    const { selector, clock } = await four();
    await warm(selector, clock, { a: 5, b: 50, c: 100, d: 500 });
    const { a = 0, b = 0, c = 0, d = 0 } = await counted(selector, 2_000);
    // Of six pairs the quickest is in three, the next in two more, and the slowest wins none.
    assert.equal(d, 0);
    assert.ok(a > 880 && a < 1_120, `${a}`);
    assert.ok(b > 560 && b < 780, `${b}`);
    assert.ok(c > 240 && c < 430, `${c}`);
  });

  it('weighs what is under way: calls that do not end spread evenly', async () => {
    const { selector, clock } = await four();
    await warm(selector, clock, {});
    const counts: Record<string, number> = {};
    for (let n = 0; n < 400; n++) {
      const { id } = (await selector.select('greeter'))();
      counts[id] = (counts[id] ?? 0) + 1;
    }
    for (const count of Object.values(counts)) assert.ok(Math.abs(count - 100) <= 10, JSON.stringify(counts));
  });

  it('gives a node of which it knows nothing one call, and waits for what comes of it', async () => {
    const { selector, clock } = await four();
    for (const node of NODES.slice(1)) {
      await to(selector, node);
      await clock.advance(50);
      selector.mark('greeter', node);
    }
    // In half of the pairs.
    assert.ok(((await counted(selector, 200))['a'] ?? 0) > 60);
    await to(selector, NODES[0] ?? assert.fail());
    assert.equal((await counted(selector, 200))['a'], 0);
    selector.mark('greeter', NODES[0] ?? assert.fail());
    assert.ok(((await counted(selector, 200))['a'] ?? 0) > 60);
  });

  it('believes the worst at once, and gives a node that was slow calls again with time', async () => {
    const { selector, clock } = await four({ decayMs: 1_000 });
    await warm(selector, clock, { a: 1_000, b: 10, c: 10, d: 10 });
    assert.equal((await counted(selector, 200))['a'], 0);
    await clock.advance(20_000);
    for (const node of NODES.slice(1)) {
      await to(selector, node);
      await clock.advance(10);
      selector.mark('greeter', node);
    }
    assert.ok(((await counted(selector, 400))['a'] ?? 0) > 60);
  });

  it('counts a failure that is the node’s as slow, however quick it was', async () => {
    const { selector, clock } = await four();
    await warm(selector, clock, { a: 1, b: 1, c: 1, d: 1 });
    const [a = assert.fail(), b = assert.fail()] = NODES;
    await to(selector, a);
    selector.mark('greeter', a, new OctavoError('internal', 'broken'));
    await to(selector, b);
    selector.mark('greeter', b, new OctavoError('not_found', 'no such thing'));
    const counts = await counted(selector, 300);
    assert.equal(counts['a'], 0);
    assert.ok((counts['b'] ?? 0) > 50);
  });

  it('forgets attempts that nobody ended, and all of a service that is reset', async () => {
    const { selector, clock } = await four();
    await warm(selector, clock, { a: 1, b: 10, c: 10, d: 10 });
    for (let n = 0; n < 50; n++) await to(selector, NODES[0] ?? assert.fail());
    assert.equal((await counted(selector, 200))['a'], 0);
    await clock.advance(600_001);
    await to(selector, NODES[0] ?? assert.fail());
    selector.mark('greeter', NODES[0] ?? assert.fail());
    assert.ok(((await counted(selector, 200))['a'] ?? 0) > 30);
    await warm(selector, clock, { d: 900 });
    selector.reset('greeter');
    assert.ok(((await counted(selector, 200))['d'] ?? 0) > 20);
  });

  it('is not misled by ends of what it did not begin', async () => {
    const { selector, clock } = await four();
    for (const node of NODES) selector.mark('greeter', node);
    selector.mark('greeter', nodeOf('stranger'));
    await warm(selector, clock, { a: 1, b: 10, c: 10, d: 10 });
    for (let n = 0; n < 5; n++) selector.mark('greeter', NODES[3] ?? assert.fail());
    assert.equal((await counted(selector, 100))['stranger'], undefined);
  });

  it('spreads in the end as nodes can answer: the slow one gets little', async () => {
    const { selector, clock } = await four();
    const speed: Readonly<Record<string, number>> = { a: 10, b: 10, c: 10, d: 200 };
    const counts: Record<string, number> = {};
    const ends: { at: number; node: Node }[] = [];
    for (let n = 0; n < 2_000; n++) {
      const node = (await selector.select('greeter'))();
      counts[node.id] = (counts[node.id] ?? 0) + 1;
      ends.push({ at: clock.now() + (speed[node.id] ?? 0), node });
      await clock.advance(1);
      for (const due of ends.filter(({ at }) => at <= clock.now())) {
        selector.mark('greeter', due.node);
        ends.splice(ends.indexOf(due), 1);
      }
    }
    assert.ok((counts['d'] ?? 0) < 100, JSON.stringify(counts));
    for (const id of ['a', 'b', 'c']) assert.ok((counts[id] ?? 0) > 400, JSON.stringify(counts));
  });
});
