import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { isPromise } from '../../src/core/lifecycle.js';
import { CachedRegistry, type CachedRegistryOptions } from '../../src/registry/cache.js';
import { MemoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import type { Node, RegistryEvent, ServiceRecord, WatchOptions } from '../../src/registry/registry.js';
import { TestLogger } from '../../src/testing/test-logger.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';

const DOWN = new OctavoError('unavailable', 'the registry is down');

function node(id: string, metadata: Readonly<Record<string, string>> = {}): Node {
  return { id, address: '127.0.0.1:4001', metadata };
}

function greeter(...nodes: readonly (string | Node)[]): ServiceRecord {
  return {
    name: 'greeter',
    version: '1',
    metadata: {},
    endpoints: [],
    nodes: nodes.map((each) => (typeof each === 'string' ? node(each) : each)),
  };
}

function idsOf(records: readonly ServiceRecord[]): string {
  return records
    .flatMap(({ nodes }) => nodes.map(({ id }) => id))
    .sort()
    .join();
}

/** A registry whose answers a test holds back, refuses or takes from the past, and whose watches it breaks. */
class Moody extends MemoryRegistry {
  questions = 0;
  down = false;
  readonly world: MemoryWorld;
  readonly #held: (() => void)[] = [];
  #holding = false;
  #watches: AbortController[] = [];

  constructor(clock: VirtualClock, world = new MemoryWorld()) {
    super({ world }, { clock });
    this.world = world;
  }

  get watches(): number {
    return this.#watches.length;
  }

  /** From now on questions are asked, and their answers do not arrive. */
  hold(): void {
    this.#holding = true;
  }

  /** The answers that were held back arrive, as they were when they were asked for. */
  release(): void {
    this.#holding = false;
    for (const release of this.#held.splice(0)) release();
  }

  override async getService(name: string): Promise<readonly ServiceRecord[]> {
    this.questions++;
    const answer = this.down ? undefined : await super.getService(name);
    if (this.#holding) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (answer === undefined) throw DOWN;
    return answer;
  }

  override async *watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    if (this.down) throw DOWN;
    const broken = new AbortController();
    this.#watches.push(broken);
    const gone = new AbortController();
    broken.signal.addEventListener('abort', () => gone.abort());
    options.signal?.addEventListener('abort', () => gone.abort());
    try {
      yield* super.watch({ ...options, signal: gone.signal });
      if (broken.signal.aborted) throw DOWN;
    } finally {
      this.#watches = this.#watches.filter((each) => each !== broken);
    }
  }

  breakWatches(): void {
    for (const watch of this.#watches) watch.abort();
  }
}

interface Subject {
  readonly cache: CachedRegistry;
  readonly inner: Moody;
  readonly clock: VirtualClock;
  readonly logger: TestLogger;
}

async function withCache(
  run: (subject: Subject) => Promise<void>,
  options: CachedRegistryOptions = {},
): Promise<void> {
  const clock = new VirtualClock();
  const logger = new TestLogger();
  const inner = new Moody(clock);
  const cache = new CachedRegistry(inner, { clock, logger }, options);
  await cache.start();
  try {
    await run({ cache, inner, clock, logger });
  } finally {
    await cache.stop();
    inner.release();
    await clock.advance(0);
    assert.equal(inner.watches, 0);
  }
}

/** What is given without waiting. */
function atOnce(cache: CachedRegistry): string {
  const found = cache.getService('greeter');
  assert.ok(!isPromise(found), 'the cache makes its caller wait');
  return idsOf(found);
}

function warnings({ records }: TestLogger): number {
  return records.filter(({ level }) => level === 'warn').length;
}

describe('the cached registry', () => {
  it('asks once for many who ask at once, and not again while the answer is good', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      const found = await Promise.all(Array.from({ length: 1_000 }, async () => cache.getService('greeter')));
      assert.ok(found.every((each) => idsOf(each) === 'a' && each === found[0]));
      await clock.advance(40_000);
      assert.equal(atOnce(cache), 'a');
      assert.equal(inner.questions, 1);
    }));

  it('waits for the whole first answer, whatever changes meanwhile', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a', 'b'));
      inner.hold();
      const first = cache.getService('greeter');
      await clock.advance(0);
      await inner.register(greeter('c'));
      await inner.deregister(greeter('b'));
      await clock.advance(0);
      const second = cache.getService('greeter');
      assert.ok(isPromise(second));
      inner.release();
      assert.equal(idsOf(await first), 'a,c');
      assert.equal(idsOf(await second), 'a,c');
      assert.equal(inner.questions, 1);
    }));

  for (const [who, deregister] of [
    ['the registry', ({ inner }: Subject) => inner.deregister(greeter('b'))],
    ['the cache', ({ cache }: Subject) => cache.deregister(greeter('b'))],
  ] as const)
    it(`does not bring back a node that ${who} took away while a question was under way`, () =>
      withCache(async (subject) => {
        const { cache, inner, clock } = subject;
        await inner.register(greeter('a', 'b'));
        await cache.getService('greeter');
        await clock.advance(60_000);
        inner.hold();
        const found = cache.getService('greeter');
        await clock.advance(0);
        await deregister(subject);
        await clock.advance(0);
        inner.release();
        assert.equal(idsOf(await found), 'a');
        assert.equal(atOnce(cache), 'a');
      }));

  it('learns what changed between two watches', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a', 'b'));
      await cache.getService('greeter');
      inner.breakWatches();
      await clock.advance(0);
      await inner.deregister(greeter('b'));
      await inner.register(greeter('c'));
      await clock.advance(1_000);
      assert.equal(atOnce(cache), 'a,c');
    }));

  it('asks anew after a watch has begun, even when a question from before is under way', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      inner.breakWatches();
      await clock.advance(0);
      inner.hold();
      atOnce(cache);
      await clock.advance(0);
      assert.equal(inner.questions, 2);
      await inner.register(greeter('b'));
      await clock.advance(1_000);
      inner.release();
      await clock.advance(0);
      assert.equal(inner.questions, 3);
      assert.equal(atOnce(cache), 'a,b');
    }));

  it('leaves a registry whose watches break alone for longer and longer, and 10 seconds at most', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      inner.down = true;
      inner.breakWatches();
      const before = inner.questions;
      await clock.advance(600_000);
      const asked = inner.questions - before;
      assert.ok(asked >= 60 && asked <= 130, `${asked}`);
      inner.down = false;
      await inner.deregister(greeter('a'));
      await inner.register(greeter('b'));
      await clock.advance(10_000);
      assert.equal(atOnce(cache), 'b');
    }));

  it('keeps the last answer of a registry that fails, without making anybody wait, and says so once', () =>
    withCache(async ({ cache, inner, clock, logger }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      const answered = clock.now();
      inner.down = true;
      await clock.advance(60_000);
      assert.equal(idsOf(await cache.getService('greeter')), 'a');
      assert.deepEqual(cache.stale, ['greeter']);
      for (let n = 0; n < 100; n++) {
        assert.equal(atOnce(cache), 'a');
        await clock.advance(600);
      }
      assert.ok(inner.questions > 50);
      const { asked, failed, ...others } = cache.stats();
      assert.deepEqual([asked, failed], [inner.questions, inner.questions - 1]);
      assert.deepEqual(others, { services: 1, stale: 1, answeredAt: answered });
      assert.equal(warnings(logger), 1);
      inner.down = false;
      await inner.register(greeter('b'));
      atOnce(cache);
      await clock.advance(0);
      assert.deepEqual(cache.stale, []);
      assert.equal(atOnce(cache), 'a,b');
      assert.ok(logger.records.some(({ message }) => message === 'the registry answers again'));
    }));

  it('keeps the last answer of a registry that is slow, and makes one round of callers wait, a little', () =>
    withCache(
      async ({ cache, inner, clock, logger }) => {
        await inner.register(greeter('a'));
        await cache.getService('greeter');
        await clock.advance(60_000);
        inner.hold();
        const waiting = Promise.all([cache.getService('greeter'), cache.getService('greeter')]);
        await clock.advance(100);
        for (const found of await waiting) assert.equal(idsOf(found), 'a');
        assert.deepEqual(cache.stale, ['greeter']);
        for (let n = 0; n < 10; n++) {
          assert.equal(atOnce(cache), 'a');
          await clock.advance(10_000);
        }
        assert.equal(warnings(logger), 1);
        inner.release();
        await clock.advance(0);
        assert.deepEqual(cache.stale, []);
      },
      { waitMs: 100 },
    ));

  it('waits for a registry that answers well, and for nothing else', () =>
    withCache(async ({ cache, inner, clock, logger }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      await clock.advance(60_000);
      inner.world.entries.clear();
      await inner.register(greeter('b'));
      assert.equal(idsOf(await cache.getService('greeter')), 'b');
      await clock.advance(0);
      assert.equal(clock.pending, 0);
      assert.equal(warnings(logger), 0);
    }));

  it('asks in the background for a service that is called all the time, so that no call waits', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      for (let n = 0; n < 600; n++) {
        assert.equal(atOnce(cache), 'a');
        await clock.advance(1_000);
      }
      assert.ok(inner.questions > 10 && inner.questions < 16, `${inner.questions}`);
    }));

  it('does not keep the last answer of a registry that fails for ever', () =>
    withCache(
      async ({ cache, inner, clock }) => {
        await inner.register(greeter('a'));
        await cache.getService('greeter');
        inner.down = true;
        await clock.advance(60_000);
        assert.equal(idsOf(await cache.getService('greeter')), 'a');
        await clock.advance(60_000);
        atOnce(cache);
        await clock.advance(0);
        await assert.rejects(async () => cache.getService('greeter'), DOWN);
        assert.deepEqual(cache.stale, []);
        await inner.register(greeter('b'));
        inner.down = false;
        await clock.advance(500);
        assert.equal(idsOf(await cache.getService('greeter')), 'a,b');
      },
      { staleMs: 100_000 },
    ));

  it('does not ask a registry that failed again at once', () =>
    withCache(async ({ cache, inner, clock }) => {
      inner.down = true;
      for (let n = 0; n < 100; n++) await assert.rejects(async () => cache.getService('greeter'), DOWN);
      assert.equal(inner.questions, 1);
      await clock.advance(500);
      await assert.rejects(async () => cache.getService('greeter'), DOWN);
      assert.equal(inner.questions, 2);
    }));

  it('does not believe a registry that fails about nodes that went, but believes who takes them away', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a', 'b', 'c'));
      await cache.getService('greeter');
      inner.down = true;
      await clock.advance(60_000);
      await cache.getService('greeter');
      await inner.deregister(greeter('a'));
      await cache.deregister(greeter('b'));
      await clock.advance(0);
      assert.equal(atOnce(cache), 'a,c');
      inner.down = false;
      await clock.advance(500);
      atOnce(cache);
      await clock.advance(0);
      assert.equal(atOnce(cache), 'c');
    }));

  it('forgets a node that died in silence, though others change all the time', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('alive', 'dead'));
      await cache.getService('greeter');
      for (const [key, { node: each }] of inner.world.entries)
        if (each.id === 'dead') inner.world.entries.delete(key);
      for (let n = 0; n < 6; n++) {
        await clock.advance(10_000);
        await inner.register(greeter(node('alive', { beat: `${n}` })));
      }
      await clock.advance(0);
      assert.equal(idsOf(await cache.getService('greeter')), 'alive');
    }));

  it('learns within a moment of the other nodes of a service that has just come', () =>
    withCache(async ({ cache, inner, clock }) => {
      assert.equal(idsOf(await cache.getService('greeter')), '');
      await inner.register(greeter('a'));
      await clock.advance(0);
      // This one comes without a word.
      const { watches } = inner.world;
      const silenced = [...watches];
      watches.clear();
      await inner.register(greeter('b'));
      for (const each of silenced) watches.add(each);
      assert.equal(atOnce(cache), 'a');
      await clock.advance(500);
      atOnce(cache);
      await clock.advance(0);
      assert.equal(atOnce(cache), 'a,b');
    }));

  it('gives the same array as long as nothing changes, whatever the order of answers and their members', () =>
    withCache(async ({ cache, inner, clock }) => {
      const two = { ...greeter('x', 'y'), version: '2' };
      await inner.register(greeter(node('a', { m: '1', n: '2' }), 'b'));
      await inner.register(two);
      const first = await cache.getService('greeter');
      inner.world.watches.clear();
      inner.world.entries.clear();
      await inner.register({ ...two, nodes: two.nodes.toReversed() });
      await inner.register(greeter('b', node('a', { n: '2', m: '1' })));
      await clock.advance(60_000);
      assert.equal(await cache.getService('greeter'), first);
      assert.ok(inner.questions > 1);
      await inner.register(greeter(node('a', { m: '1', n: '3' })));
      await clock.advance(60_000);
      const changed = await cache.getService('greeter');
      assert.notEqual(changed, first);
      assert.equal(idsOf(changed), 'a,b,x,y');
    }));

  it('gives nothing that can be changed', () =>
    withCache(async ({ cache, inner }) => {
      await inner.register({ ...greeter(node('a', { k: 'v' })), endpoints: [{ name: 'A.B', metadata: {} }] });
      const found = await cache.getService('greeter');
      const everything = (value: unknown): unknown[] =>
        typeof value === 'object' && value !== null
          ? [value, ...Object.values(value).flatMap(everything)]
          : [];
      assert.ok([...everything(found), await cache.listServices()].every((each) => Object.isFrozen(each)));
    }));

  it('remembers and watches nothing after it was stopped, and passes on what it is asked', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      await cache.stop();
      await clock.advance(0);
      assert.equal(inner.watches, 0);
      assert.equal(idsOf(await cache.getService('greeter')), 'a');
      await inner.deregister(greeter('a'));
      assert.equal(idsOf(await cache.getService('greeter')), '');
      assert.equal(inner.watches, 0);
      assert.equal(clock.pending, 0);
      await cache.start();
      await cache.getService('greeter');
      assert.equal(inner.watches, 1);
    }));

  it('answers who waits when it is stopped', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      inner.hold();
      const found = cache.getService('greeter');
      await clock.advance(0);
      await cache.stop();
      inner.release();
      assert.equal(idsOf(await found), 'a');
    }));

  it('forgets the service that was used longest ago when there are too many', () =>
    withCache(
      async ({ cache, inner, clock }) => {
        for (const name of ['greeter', 'b', 'c', 'd']) {
          await cache.getService(name);
          await clock.advance(1);
          await cache.getService('greeter');
        }
        assert.equal(inner.watches, 2);
        const before = inner.questions;
        await cache.getService('greeter');
        await cache.getService('d');
        assert.equal(inner.questions, before);
      },
      { maxServices: 2 },
    ));

  it('bounds the nodes that changes alone make known', () =>
    withCache(async ({ cache, inner, clock }) => {
      await inner.register(greeter('a'));
      await cache.getService('greeter');
      for (let n = 0; n < 12; n++) {
        await inner.register(greeter(...Array.from({ length: 1_000 }, (_, m) => `${n}-${m}`)));
        await clock.advance(0);
      }
      const found = await cache.getService('greeter');
      assert.equal(found[0]?.nodes.length, 10_000);
    }));
});
