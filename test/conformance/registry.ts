import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { Node, Registry, RegistryEvent, ServiceRecord } from '../../src/registry/registry.js';
import { OctavoError } from '../../src/core/error.js';
import type { Suite } from './conform.js';

function node(id: string, metadata: Readonly<Record<string, string>> = { protocol: 'mucp' }): Node {
  return { id, address: `127.0.0.1:${4_000 + id.length}`, metadata };
}

function service(name: string, version: string, ...nodes: readonly Node[]): ServiceRecord {
  const endpoint = {
    name: 'Greeter.Hello',
    request: {
      name: 'HelloRequest',
      type: 'HelloRequest',
      values: [{ name: 'name', type: 'string', values: [] }],
    },
    response: { name: 'HelloReply', type: 'HelloReply', values: [] },
    metadata: { stream: 'true' },
  };
  return { name, version, metadata: {}, endpoints: [endpoint], nodes };
}

const GREETER = service('greeter', '1.0.0', node('greeter-1'));

function idsOf(found: readonly ServiceRecord[]): string[] {
  return found.flatMap(({ nodes }) => nodes.map(({ id }) => id)).sort();
}

/** Asks until this holds of the answer: what one registry was told, another may learn a little later. */
async function eventually(
  registry: Registry,
  name: string,
  holds: (found: readonly ServiceRecord[]) => boolean,
): Promise<readonly ServiceRecord[]> {
  for (;;) {
    const found = await registry.getService(name);
    if (holds(found)) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Reads the next changes of a watch. */
async function take(changes: AsyncIterator<RegistryEvent>, count: number): Promise<RegistryEvent[]> {
  const taken: RegistryEvent[] = [];
  while (taken.length < count) {
    const step = await changes.next();
    if (step.done === true) throw new Error(`the watch ended after ${taken.length} changes`);
    taken.push(step.value);
  }
  return taken;
}

function told({ action, service: { name, nodes } }: RegistryEvent): string {
  return `${action} ${name} ${nodes.map(({ id }) => id).join()}`;
}

/** The promises of `Registry`. */
export const registrySuite = {
  'stopping twice, without a start, and starting again are fine': async (registry, fresh) => {
    await (await fresh()).stop();
    await registry.stop();
    await registry.stop();
    await registry.start();
    await registry.register(GREETER);
    assert.deepEqual(idsOf(await eventually(registry, 'greeter', (found) => found.length > 0)), [
      'greeter-1',
    ]);
  },
  'an unknown name has no services': async (registry) => {
    assert.deepEqual(await registry.getService('nobody'), []);
  },
  'what was registered is found, whole': async (registry) => {
    await registry.register(GREETER);
    assert.deepEqual(await eventually(registry, 'greeter', (found) => found.length > 0), [GREETER]);
  },
  'names with dots and metadata in any language are kept': async (registry) => {
    const record = service('my.shop.order', '1', node('my.shop.order-1', { city: 'Zürich', 日本: '=;"' }));
    await registry.register(record);
    assert.deepEqual(await eventually(registry, 'my.shop.order', (found) => found.length > 0), [record]);
  },
  'nodes of one version are found together, versions apart': async (registry) => {
    await registry.register(service('greeter', '1', node('a')));
    await registry.register(service('greeter', '1', node('bb')));
    await registry.register(service('greeter', '2', node('ccc')));
    const found = await eventually(registry, 'greeter', (each) => idsOf(each).length === 3);
    assert.deepEqual(found.map(({ version, nodes }) => `${version}: ${nodes.length}`).sort(), [
      '1: 2',
      '2: 1',
    ]);
  },
  'several nodes may be registered at once': async (registry) => {
    await registry.register(service('greeter', '1', node('a'), node('bb')));
    assert.deepEqual(idsOf(await eventually(registry, 'greeter', (found) => idsOf(found).length === 2)), [
      'a',
      'bb',
    ]);
  },
  'registering again changes what is known of the node': async (registry) => {
    await registry.register(GREETER);
    const changed = service('greeter', '1.0.0', node('greeter-1', { changed: 'yes' }));
    await registry.register(changed);
    const found = await eventually(
      registry,
      'greeter',
      (each) => each[0]?.nodes[0]?.metadata['changed'] === 'yes',
    );
    assert.deepEqual(found, [changed]);
  },
  'services that have a node of the same id do not disturb each other': async (registry) => {
    await registry.register(service('greeter', '1', node('a')));
    await registry.register(service('other', '1', node('a')));
    const changes = registry.watch()[Symbol.asyncIterator]();
    for (const name of ['greeter', 'other'])
      await eventually(registry, name, (found) => idsOf(found).length === 1);
    await registry.deregister(service('other', '1', node('a')));
    await eventually(registry, 'other', (found) => found.length === 0);
    assert.deepEqual(idsOf(await registry.getService('greeter')), ['a']);
    assert.deepEqual(await registry.listServices(), ['greeter']);
    assert.equal((await take(changes, 1)).map(told).join(), 'delete other a');
    await changes.return?.();
  },
  'a node that is registered in another version is in that one alone': async (registry) => {
    await registry.register(service('greeter', '1', node('a'), node('bb')));
    await registry.register(service('greeter', '2', node('a')));
    const found = await eventually(registry, 'greeter', (each) => each.length === 2);
    assert.deepEqual(found.map((each) => `${each.version}: ${idsOf([each]).join()}`).sort(), [
      '1: bb',
      '2: a',
    ]);
  },
  'a record without a name, a version or an id is refused, and nothing of it is registered': async (
    registry,
  ) => {
    const invalid = (error: unknown): boolean =>
      error instanceof OctavoError && error.code === 'invalid_argument';
    await assert.rejects(registry.register(service('', '1', node('a'))), invalid);
    await assert.rejects(registry.register(service('greeter', '', node('a'))), invalid);
    await assert.rejects(registry.register(service('greeter', '1', node('a'), node(''))), invalid);
    assert.deepEqual(await registry.listServices(), []);
  },
  'deregistering takes these nodes and no others': async (registry) => {
    await registry.register(service('greeter', '1', node('a'), node('bb')));
    await eventually(registry, 'greeter', (found) => idsOf(found).length === 2);
    await registry.deregister(service('greeter', '1', node('a')));
    assert.deepEqual(idsOf(await eventually(registry, 'greeter', (found) => idsOf(found).length === 1)), [
      'bb',
    ]);
  },
  'a node that is deregistered while it is being registered is not there': async (registry) => {
    const registering = registry.register(GREETER);
    await Promise.all([registering, registry.deregister(GREETER)]);
    await eventually(registry, 'greeter', (found) => found.length === 0);
    await registry.register(service('greeter', '1', node('a')));
    assert.deepEqual(idsOf(await eventually(registry, 'greeter', (found) => found.length > 0)), ['a']);
  },
  'deregistering what is not known is fine': async (registry) => {
    await registry.deregister(GREETER);
  },
  'a service without nodes is gone': async (registry) => {
    await registry.register(GREETER);
    await eventually(registry, 'greeter', (found) => found.length > 0);
    await registry.deregister(GREETER);
    await eventually(registry, 'greeter', (found) => found.length === 0);
    assert.deepEqual(await registry.listServices(), []);
  },
  'services are listed by name, sorted, each once': async (registry) => {
    for (const name of ['b', 'a', 'c.d'])
      await registry.register(service(name, '1', node(`${name}-1`), node(`${name}-22`)));
    for (const name of ['b', 'a', 'c.d'])
      await eventually(registry, name, (found) => idsOf(found).length === 2);
    assert.deepEqual(await registry.listServices(), ['a', 'b', 'c.d']);
  },
  'what it gives cannot be changed for others': async (registry) => {
    await registry.register(GREETER);
    const [found] = await eventually(registry, 'greeter', (each) => each.length > 0);
    assert.ok(
      Object.isFrozen(found) && Object.isFrozen(found?.nodes) && Object.isFrozen(found?.nodes[0]?.metadata),
    );
    assert.deepEqual(await registry.getService('greeter'), [GREETER]);
  },
  'what a watch gives cannot be changed for others': async (registry) => {
    const first = registry.watch()[Symbol.asyncIterator]();
    const second = registry.watch()[Symbol.asyncIterator]();
    await registry.register(GREETER);
    const [given] = await take(first, 1);
    try {
      Object.assign(given?.service.nodes[0]?.metadata ?? {}, { broken: 'yes' });
    } catch {
      // It is frozen; a copy may be changed.
    }
    assert.deepEqual(await take(second, 1), [{ action: 'create', service: GREETER }]);
    assert.deepEqual(await eventually(registry, 'greeter', (found) => found.length > 0), [GREETER]);
    for (const changes of [first, second]) await changes.return?.();
  },
  'what is changed after it was registered is not seen': async (registry) => {
    const metadata = { before: 'yes' };
    await registry.register(service('greeter', '1', node('a', metadata)));
    metadata.before = 'no';
    const [found] = await eventually(registry, 'greeter', (each) => each.length > 0);
    assert.equal(found?.nodes[0]?.metadata['before'], 'yes');
  },
  'a node that is not renewed goes after its time': async (registry) => {
    const changes = registry.watch({ service: 'greeter' })[Symbol.asyncIterator]();
    await registry.register(GREETER, { ttlMs: 30 });
    assert.deepEqual((await take(changes, 2)).map(told), [
      'create greeter greeter-1',
      'delete greeter greeter-1',
    ]);
    await eventually(registry, 'greeter', (found) => found.length === 0);
    await changes.return?.();
  },
  'a watch reports what happens right after it began': async (registry) => {
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.register(GREETER);
    assert.deepEqual(await take(changes, 1), [{ action: 'create', service: GREETER }]);
    await registry.deregister(GREETER);
    assert.equal((await take(changes, 1)).map(told).join(), 'delete greeter greeter-1');
    await changes.return?.();
  },
  'a change is one update, and a renewal nothing': async (registry) => {
    const changes = registry.watch()[Symbol.asyncIterator]();
    await registry.register(GREETER);
    await registry.register(GREETER);
    await registry.register(service('greeter', '1.0.0', node('greeter-1', { changed: 'yes' })));
    await registry.deregister(GREETER);
    assert.deepEqual(
      (await take(changes, 3)).map(({ action }) => action),
      ['create', 'update', 'delete'],
    );
    await changes.return?.();
  },
  'a watch of one service reports no other': async (registry) => {
    const changes = registry.watch({ service: 'wanted' })[Symbol.asyncIterator]();
    await registry.register(GREETER);
    await registry.register(service('wanted', '1', node('wanted-1')));
    assert.equal((await take(changes, 1)).map(told).join(), 'create wanted wanted-1');
    await changes.return?.();
  },
  'a watch ends in order by its signal, and by stopping': async (registry) => {
    const abort = new AbortController();
    const first = registry.watch({ signal: abort.signal })[Symbol.asyncIterator]().next();
    const second = registry.watch()[Symbol.asyncIterator]().next();
    abort.abort();
    assert.equal((await first).done, true);
    await registry.stop();
    assert.equal((await second).done, true);
  },
  'a watch that ended leaves nothing on its signal': async (registry) => {
    const { signal } = new AbortController();
    await registry.watch({ signal })[Symbol.asyncIterator]().return?.();
    const changes = registry.watch({ signal })[Symbol.asyncIterator]();
    const end = changes.next();
    await registry.stop();
    assert.equal((await end).done, true);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  },
  'starting twice at once is starting once': async (_, fresh) => {
    const registry = await fresh();
    await Promise.all([registry.start(), registry.start()]);
    await registry.register(GREETER);
    await eventually(registry, 'greeter', (found) => found.length > 0);
    await Promise.all([registry.stop(), registry.stop()]);
  },
  'another registry of the same kind sees what this one registered': async (registry, fresh) => {
    const other = await fresh();
    await other.start();
    await registry.register(GREETER);
    assert.deepEqual(await eventually(other, 'greeter', (found) => found.length > 0), [GREETER]);
  },
  'many nodes are found, also by another registry': async (registry, fresh) => {
    const other = await fresh();
    await other.start();
    const nodes = Array.from({ length: 100 }, (_, n) => node(`node-${n}`));
    await registry.register(service('greeter', '1', ...nodes));
    for (const each of [registry, other])
      await eventually(each, 'greeter', (found) => idsOf(found).length === 100);
  },
} satisfies Suite<Registry>;
