import { describe, test } from 'node:test';
import { CachedRegistry } from '../../src/registry/cache.js';
import { MdnsRegistry } from '../../src/registry/mdns.js';
import { MemoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { MultiRegistry } from '../../src/registry/multi.js';
import type { Registry } from '../../src/registry/registry.js';
import { conform } from '../conformance/conform.js';
import { registrySuite } from '../conformance/registry.js';
import { parts } from '../support/parts.js';
import { wrapped } from '../support/wrapped.js';
import { freeUdpPort } from '../support/udp-port.js';

/** A cache that starts and stops what it stands around, as the container does for it. */
class Whole extends CachedRegistry {
  readonly #inner: Registry;
  constructor(inner: Registry) {
    super(inner, parts(), { missMs: 1 });
    this.#inner = inner;
  }
  override async start(): Promise<void> {
    await this.#inner.start();
    await super.start();
  }
  override async stop(): Promise<void> {
    await super.stop();
    await this.#inner.stop();
  }
}

/** Each test has a port, or a world, to itself, which the registries that it makes share. */
function eachTest(define: (share: () => Promise<{ port: number; world: MemoryWorld }>) => void): void {
  let shared: Promise<{ port: number; world: MemoryWorld }> | undefined;
  test.beforeEach(() => {
    shared = undefined;
  });
  define(() => (shared ??= freeUdpPort().then((port) => ({ port, world: new MemoryWorld() }))));
}

describe('MemoryRegistry', () => {
  eachTest((share) =>
    conform(test, registrySuite, async () => new MemoryRegistry({ world: (await share()).world }, parts())),
  );
});

describe('MdnsRegistry', () => {
  eachTest((share) =>
    conform(
      test,
      registrySuite,
      async () => new MdnsRegistry({ interfaces: ['127.0.0.1'], port: (await share()).port }, parts()),
    ),
  );
});

/** Writes to two, and reads from a third too. */
function several(world: MemoryWorld): MultiRegistry {
  const other = others.get(world) ?? new MemoryWorld();
  others.set(world, other);
  const [first, second] = [world, other].map((each) => new MemoryRegistry({ world: each }, parts()));
  const read = [new MemoryRegistry({ world: new MemoryWorld() }, parts())];
  return new MultiRegistry({ write: [first, second].filter((each) => each !== undefined), read }, parts());
}
/** The world of the second registry, for each first one's. */
const others = new WeakMap<MemoryWorld, MemoryWorld>();

describe('MultiRegistry', () => {
  eachTest((share) => conform(test, registrySuite, async () => several((await share()).world)));
});

describe('a wrapped MultiRegistry', () => {
  eachTest((share) => conform(test, registrySuite, async () => wrapped(several((await share()).world))));
});

describe('a CachedRegistry around a MemoryRegistry', () => {
  eachTest((share) =>
    conform(
      test,
      registrySuite,
      async () => new Whole(new MemoryRegistry({ world: (await share()).world }, parts())),
    ),
  );
});

describe('a CachedRegistry around an MdnsRegistry', () => {
  eachTest((share) =>
    conform(
      test,
      registrySuite,
      async () =>
        new Whole(new MdnsRegistry({ interfaces: ['127.0.0.1'], port: (await share()).port }, parts())),
    ),
  );
});

describe('wrapped registries', () => {
  eachTest((share) =>
    conform(test, registrySuite, async () =>
      wrapped(new MemoryRegistry({ world: (await share()).world }, parts())),
    ),
  );
  eachTest((share) =>
    conform(test, registrySuite, async () =>
      wrapped(new MdnsRegistry({ interfaces: ['127.0.0.1'], port: (await share()).port }, parts())),
    ),
  );
});
