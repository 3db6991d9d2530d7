import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { LabelSelector, type LabelSelectorOptions } from '../../src/selector/label.js';
import { random } from '../../src/selector/strategy.js';
import { greeter, nodeOf, order, selecting, tally } from '../support/selecting.js';

const NODES = [
  nodeOf('1', { key1: 'yes' }),
  nodeOf('2', { key2: 'yes' }),
  nodeOf('3', { key1: 'yes' }),
  nodeOf('4'),
];
const REFUSED = new OctavoError('unavailable', 'nobody answers', { executed: false });

async function labelled(
  labels: readonly string[],
  options: LabelSelectorOptions = {},
): Promise<LabelSelector> {
  const parts = selecting();
  await parts.registry.register(greeter(NODES));
  return new LabelSelector({ labels: labels.map((name) => [name, 'yes']), ...options }, parts);
}

describe('LabelSelector', () => {
  it('goes through the nodes in go-micro’s order', async () => {
    assert.deepEqual(await order(await labelled(['key2']), 4), ['2', '1', '3', '4']);
    assert.deepEqual(await order(await labelled(['key1', 'key2']), 4), ['1', '3', '2', '4']);
    assert.deepEqual(await order(await labelled([]), 4), ['1', '2', '3', '4']);
    assert.deepEqual(await order(await labelled(['nobody']), 4), ['1', '2', '3', '4']);
  });

  it('shares the calls among the most wanted', async () => {
    const selector = await labelled(['key1']);
    assert.deepEqual(await tally(selector, 10), { 1: 5, 3: 5 });
  });

  it('goes on to others while those cannot be reached', async () => {
    const selector = await labelled(['key1', 'key2']);
    for (const at of [0, 2]) selector.mark('greeter', NODES[at] ?? assert.fail(), REFUSED);
    assert.deepEqual(await tally(selector, 5), { 2: 5 });
    selector.mark('greeter', NODES[1] ?? assert.fail(), REFUSED);
    assert.deepEqual(await tally(selector, 5), { 4: 5 });
  });

  it('chooses among the most wanted by a strategy, its own or the call’s', async () => {
    const own = await labelled(['key1'], { strategy: random() });
    assert.deepEqual(Object.keys(await tally(own, 60)), ['1', '3']);
    const called = await tally(await labelled(['key1']), 5, {
      strategy: (_, nodes) => nodes.at(-1) ?? assert.fail(),
    });
    assert.deepEqual(called, { 3: 5 });
  });

  it('wants the value, not only the name', async () => {
    const parts = selecting();
    await parts.registry.register(greeter([nodeOf('a', { zone: 'x' }), nodeOf('b', { zone: 'y' })]));
    const selector = new LabelSelector({ labels: [['zone', 'y']] }, parts);
    assert.deepEqual(await tally(selector, 4), { b: 4 });
  });
});
