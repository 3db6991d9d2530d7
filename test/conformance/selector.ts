import assert from 'node:assert/strict';
import { OctavoError } from '../../src/core/error.js';
import type { Lifecycle } from '../../src/core/lifecycle.js';
import type { Node, Registry, ServiceRecord } from '../../src/registry/registry.js';
import type { Filter, Selector, Strategy } from '../../src/selector/selector.js';
import type { Suite } from './conform.js';

/** A selector under test, and the registry that it asks. Starting the one starts the other. */
export interface SelectorSubject extends Lifecycle {
  readonly selector: Selector;
  readonly registry: Registry;
}

function node(id: string): Node {
  return { id, address: `127.0.0.1:${4_000 + id.charCodeAt(0)}`, metadata: { name: id } };
}

function service(version: string, ...ids: readonly string[]): ServiceRecord {
  return { name: 'greeter', version, metadata: {}, endpoints: [], nodes: ids.map(node) };
}

/** The ids that so many selections gave. */
async function seen(
  { selector }: SelectorSubject,
  times = 60,
  filters?: readonly Filter[],
): Promise<string[]> {
  const ids = new Set<string>();
  for (let n = 0; n < times; n++)
    ids.add((await selector.select('greeter', { ...(filters && { filters }) }))().id);
  return [...ids].sort();
}

const refused = new OctavoError('unavailable', 'nobody answers', { executed: false });

/** The promises of `Selector`, on a registry with what each one needs. */
export const selectorSuite = {
  'stopping twice, without a start, and starting again are fine': async (subject, fresh) => {
    await (await fresh()).stop?.();
    await subject.stop?.();
    await subject.stop?.();
    await subject.start?.();
    await subject.registry.register(service('1', 'a'));
    assert.deepEqual(await seen(subject), ['a']);
  },
  'what it gives is what the registry knows of the node': async ({ selector, registry }) => {
    await registry.register(service('1', 'a'));
    assert.deepEqual((await selector.select('greeter'))(), node('a'));
  },
  'a node that came later is chosen, too': async (subject) => {
    await subject.registry.register(service('1', 'a'));
    assert.deepEqual(await seen(subject), ['a']);
    await subject.registry.register(service('1', 'b'));
    await subject.registry.register(service('2', 'c'));
    assert.deepEqual(await seen(subject, 200), ['a', 'b', 'c']);
  },
  'every node of every version is chosen, sooner or later': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    await subject.registry.register(service('2', 'c'));
    assert.deepEqual(await seen(subject, 200), ['a', 'b', 'c']);
  },
  'a service without nodes is unavailable, and the message names it and the registry': async ({
    selector,
    registry,
  }) => {
    await assert.rejects(
      async () => selector.select('nobody'),
      (reason) =>
        reason instanceof OctavoError &&
        reason.code === 'unavailable' &&
        reason.executed === false &&
        reason.message.includes('"nobody"') &&
        reason.message.includes(registry.name),
    );
  },
  'filters leave what they leave, each of what the one before left': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    await subject.registry.register(service('2', 'c'));
    const first: Filter = (services) => services.filter(({ version }) => version === '1');
    const second: Filter = (services) =>
      services.map((each) => ({ ...each, nodes: each.nodes.filter(({ id }) => id !== 'a') }));
    assert.deepEqual(await seen(subject, 60, [first]), ['a', 'b']);
    assert.deepEqual(await seen(subject, 60, [first, second]), ['b']);
  },
  'filters of one call do not count for another': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    const only =
      (id: string): Filter =>
      (services) =>
        services.map((each) => ({ ...each, nodes: each.nodes.filter((one) => one.id === id) }));
    const [onlyA, onlyB] = [[only('a')], [only('b')]];
    for (let n = 0; n < 3; n++) {
      assert.deepEqual(await seen(subject, 3, onlyA), ['a']);
      assert.deepEqual(await seen(subject, 3, onlyB), ['b']);
      assert.deepEqual(await seen(subject), ['a', 'b']);
    }
  },
  'filters that leave nothing are unavailable, and the message says so': async ({ selector, registry }) => {
    await registry.register(service('1', 'a', 'b'));
    await assert.rejects(
      async () => selector.select('greeter', { filters: [() => []] }),
      (reason) =>
        reason instanceof OctavoError && reason.code === 'unavailable' && /2.*filters/.test(reason.message),
    );
  },
  'the strategy of a call counts for that call': async ({ selector, registry }) => {
    await registry.register(service('1', 'a', 'b', 'c'));
    const next = await selector.select('greeter', {
      strategy: (_, nodes) => nodes.find(({ id }) => id === 'b') ?? assert.fail(),
    });
    for (let n = 0; n < 10; n++) assert.equal(next().id, 'b');
  },
  'a strategy is asked for each attempt, with the service and at least one node': async ({
    selector,
    registry,
  }) => {
    await registry.register(service('1', 'a', 'b'));
    const asked: (readonly [string, readonly string[]])[] = [];
    const strategy: Strategy = (name, nodes) => {
      asked.push([name, nodes.map(({ id }) => id).sort()]);
      return nodes[0] ?? assert.fail('there is no node');
    };
    const next = await selector.select('greeter', { strategy });
    for (const tried of [undefined, new Set('a'), new Set('ab'), new Set(['a', 'b', 'nobody'])]) next(tried);
    assert.deepEqual(asked, [
      ['greeter', ['a', 'b']],
      ['greeter', ['b']],
      ['greeter', ['a', 'b']],
      ['greeter', ['a', 'b']],
    ]);
  },
  'nodes that were tried are avoided while there are others': async ({ selector, registry }) => {
    await registry.register(service('1', 'a', 'b', 'c'));
    const next = await selector.select('greeter');
    const tried = new Set<string>();
    for (let n = 0; n < 3; n++) tried.add(next(tried).id);
    assert.deepEqual([...tried].sort(), ['a', 'b', 'c']);
    assert.ok(tried.has(next(tried).id));
  },
  'a node that could not be reached is left out while there are others': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    subject.selector.mark('greeter', node('a'), refused);
    assert.deepEqual(await seen(subject), ['b']);
    subject.selector.mark('greeter', node('b'), refused);
    assert.deepEqual(await seen(subject), ['a', 'b']);
  },
  'a node that was left out is chosen when the others were tried': async ({ selector, registry }) => {
    await registry.register(service('1', 'a', 'b'));
    selector.mark('greeter', node('a'), refused);
    assert.equal((await selector.select('greeter'))(new Set('b')).id, 'a');
  },
  'what is learnt of a node is learnt of one service': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    subject.selector.mark('another', node('a'), refused);
    assert.deepEqual(await seen(subject), ['a', 'b']);
    subject.selector.mark('greeter', node('a'), refused);
    subject.selector.mark('another', node('a'));
    subject.selector.reset('another');
    assert.deepEqual(await seen(subject), ['b']);
  },
  'what is said of a node or a service that nobody knows harms nobody': async (subject) => {
    await subject.registry.register(service('1', 'a'));
    subject.selector.mark('nobody', node('x'), refused);
    subject.selector.mark('greeter', node('x'), refused);
    subject.selector.mark('nobody', node('x'));
    subject.selector.reset('nobody');
    assert.deepEqual(await seen(subject), ['a']);
  },
  'a node that was left out comes back when it works, and when it is reset': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    subject.selector.mark('greeter', node('a'), refused);
    subject.selector.mark('greeter', node('a'));
    assert.deepEqual(await seen(subject), ['a', 'b']);
    subject.selector.mark('greeter', node('a'), refused);
    subject.selector.reset('greeter');
    assert.deepEqual(await seen(subject), ['a', 'b']);
  },
  'an error of a handler says nothing against its node': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    subject.selector.mark('greeter', node('a'), new OctavoError('invalid_argument', 'no'));
    assert.deepEqual(await seen(subject), ['a', 'b']);
  },
  'a node that went is not chosen any more': async (subject) => {
    await subject.registry.register(service('1', 'a', 'b'));
    assert.deepEqual(await seen(subject), ['a', 'b']);
    await subject.registry.deregister(service('1', 'a'));
    assert.deepEqual(await seen(subject), ['b']);
  },
} satisfies Suite<SelectorSubject>;
