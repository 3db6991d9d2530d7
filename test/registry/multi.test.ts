import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { MemoryRegistry, MemoryWorld } from '../../src/registry/memory.js';
import { MultiRegistry } from '../../src/registry/multi.js';
import type { RegistryEvent, ServiceRecord } from '../../src/registry/registry.js';
import { VirtualClock } from '../../src/testing/virtual-clock.js';
import { parts } from '../support/parts.js';

/** A registry that can be cut off. */
class Frail extends MemoryRegistry {
  down = false;
  constructor(world = new MemoryWorld()) {
    super({ world }, parts());
  }
  override async register(...args: Parameters<MemoryRegistry['register']>): Promise<void> {
    this.#check();
    await super.register(...args);
  }
  override async getService(name: string): Promise<readonly ServiceRecord[]> {
    this.#check();
    return super.getService(name);
  }
  override async listServices(): Promise<readonly string[]> {
    this.#check();
    return super.listServices();
  }
  #check(): void {
    if (this.down) throw new OctavoError('unavailable', 'cut off');
  }
}

function greeter(...ids: readonly string[]): ServiceRecord {
  const nodes = ids.map((id) => ({ id, address: '127.0.0.1:4000', metadata: {} }));
  return { name: 'greeter', version: '1', metadata: {}, endpoints: [], nodes };
}

async function ids(registry: MultiRegistry): Promise<string> {
  return (await registry.getService('greeter')).flatMap(({ nodes }) => nodes.map(({ id }) => id)).join();
}

async function told(changes: AsyncIterator<RegistryEvent>): Promise<string> {
  const { value, done } = await changes.next();
  return done === true ? 'the end' : `${value.action} ${value.service.nodes[0]?.id}`;
}

async function started(write: Frail[], read: Frail[] = []): Promise<MultiRegistry> {
  const registry = new MultiRegistry({ write, read }, parts());
  await registry.start();
  return registry;
}

describe('several registries as one', () => {
  it('registers in some, and reads from all', async () => {
    const [first, second, third] = [new Frail(), new Frail(), new Frail()];
    const registry = await started([first, second], [third]);
    await registry.register(greeter('a'));
    await third.register(greeter('b'));
    for (const each of [first, second]) assert.equal((await each.getService('greeter')).length, 1);
    assert.equal((await third.getService('greeter'))[0]?.nodes[0]?.id, 'b');
    assert.equal(await ids(registry), 'a,b');
    await registry.deregister(greeter('a'));
    assert.equal(await ids(registry), 'b');
    await registry.stop();
  });

  it('tells of a node when it is the first to come and the last to go', async () => {
    const [first, second] = [new Frail(), new Frail()];
    const registry = await started([first, second]);
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.register(greeter('a'));
    assert.equal(await told(changes), 'create a');
    await first.deregister(greeter('a'));
    await second.register(greeter('b'));
    assert.equal(await told(changes), 'create b');
    await second.deregister(greeter('a'));
    assert.equal(await told(changes), 'delete a');
    await registry.stop();
    assert.equal(await told(changes), 'the end');
  });

  it('goes on without one that cannot be asked, with its last answer', async () => {
    const [first, second] = [new Frail(), new Frail()];
    const registry = await started([first, second]);
    await first.register(greeter('a'));
    await second.register(greeter('b'));
    assert.equal(await ids(registry), 'a,b');
    first.down = true;
    await second.register(greeter('c'));
    assert.equal(await ids(registry), 'a,b,c');
    assert.deepEqual(await registry.listServices(), ['greeter']);
    await assert.rejects(registry.register(greeter('d')), { code: 'unavailable' });
    assert.equal(await ids(registry), 'a,b,c,d');
    await registry.stop();
  });

  it('fails where none can be asked, and nothing was known', async () => {
    const [first, second] = [new Frail(), new Frail()];
    const registry = await started([first, second]);
    first.down = second.down = true;
    await assert.rejects(ids(registry), { code: 'unavailable' });
    await assert.rejects(registry.listServices(), { code: 'unavailable' });
    await registry.stop();
  });

  it('follows those that can be followed, and the others once they are back', async () => {
    const clock = new VirtualClock();
    const [first, second] = [new Frail(), new Frail()];
    const registry = new MultiRegistry({ write: [first, second] }, { ...parts(), clock });
    await registry.start();
    first.down = true;
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.getService('greeter');
    await second.register(greeter('b'));
    assert.equal(await told(changes), 'create b');
    first.down = false;
    await first.register(greeter('a'));
    const next = told(changes);
    await clock.advance(1_000);
    assert.equal(await next, 'create a');
    await registry.stop();
  });

  it('does not stay started where one does not start', async () => {
    const first = new Frail();
    const second = new Frail();
    let stopped = 0;
    first.stop = () => void stopped++;
    second.start = () => {
      throw new OctavoError('unauthenticated', 'wrong password');
    };
    await assert.rejects(started([first, second]), { code: 'unauthenticated' });
    assert.equal(stopped, 1);
  });

  it('is refused where it would write to none', () => {
    assert.throws(() => new MultiRegistry({ write: [] }, parts()), { code: 'invalid_argument' });
  });
});
