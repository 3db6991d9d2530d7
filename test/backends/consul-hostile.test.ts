import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateSync } from 'node:zlib';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { nextIndex } from '../../src/registry/consul/agent.js';
import { ConsulServer } from '../support/consul-server.js';
import { parts } from '../support/parts.js';
import { eventually, record, Told } from './support/registry-faults.js';

const packed = (kind: string, text: string | Buffer): string =>
  `${kind}-${deflateSync(text).toString('hex')}`;
const BOMB = packed('t', Buffer.alloc(50_000_000, 'x'));

/** Tags of instances of `greeter` that are not go-micro's, or not whole. */
const STRANGE: readonly (readonly [string, readonly string[]])[] = [
  ['none', []],
  ['plain', ['primary', 'v1']],
  ['empty-version', ['v-', 'v=']],
  ['broken', ['v-zz', 'v-00', 'e-']],
  ['bomb-version', [packed('v', Buffer.alloc(50_000_000, 'x'))]],
];

describe('what strangers register in Consul', () => {
  it('is passed over, or read as far as it can be, and costs little', async () => {
    const server = await ConsulServer.start();
    const registry = new ConsulRegistry({ addresses: [server.address] }, parts());
    await registry.start();
    try {
      await registry.register(record('a'), { ttlMs: 30_000 });
      await eventually(registry, ['a']);
      const told = new Told(registry.watch({ service: 'greeter' }));
      for (const [ID, Tags] of STRANGE)
        await server.ask('PUT', '/v1/agent/service/register', { ID, Name: 'greeter', Port: 1, Tags });
      await server.ask('PUT', '/v1/agent/service/register', { ID: 'db-1', Name: 'database', Port: 5_432 });
      const odd = [
        packed('v', '1'),
        't={"city":"Bonn"}',
        't-zz',
        packed('t', '[1]'),
        packed('e', 'null'),
        BOMB,
      ];
      const instance = { ID: 'odd', Name: 'greeter', Address: '::1', Port: 80, Tags: odd };
      await server.ask('PUT', '/v1/agent/service/register', instance);
      await told.until('create odd');
      assert.deepEqual(told.events, ['create odd']);
      const begin = performance.now();
      const [found] = await registry.getService('greeter');
      assert.ok(performance.now() - begin < 500, `${performance.now() - begin} ms`);
      const node = found?.nodes.find(({ id }) => id === 'odd');
      assert.deepEqual(node, { id: 'odd', address: '[::1]:80', metadata: { city: 'Bonn' } });
      assert.deepEqual(await registry.listServices(), ['greeter']);
    } finally {
      registry.stop();
      await server.stop();
    }
  });
});

describe('the consul registry', () => {
  it('keeps the queue of a bus, metadata of services and ids that another service has', async () => {
    const server = await ConsulServer.start();
    const registry = new ConsulRegistry({ addresses: [server.address] }, parts());
    await registry.start();
    try {
      const queue = { id: 'a', address: '_INBOX.x', metadata: {} };
      const one = { ...record('a'), metadata: { team: 'é' }, nodes: [queue] };
      const other = { ...record('a'), name: 'other/one' };
      await Promise.all([registry.register(one), registry.register(other)]);
      await eventually(registry, ['a']);
      assert.deepEqual(await registry.getService('greeter'), [one]);
      while ((await registry.getService('other/one')).length === 0);
      assert.deepEqual(await registry.getService('other/one'), [other]);
      await registry.deregister(one);
      await eventually(registry, []);
      assert.deepEqual(await registry.getService('other/one'), [other]);
    } finally {
      registry.stop();
      await server.stop();
    }
  });

  it('begins anew where an index went back', () => {
    assert.equal(nextIndex(5, { index: 9 }), 9);
    assert.equal(nextIndex(9, { index: 9 }), 9);
    assert.equal(nextIndex(9, { index: 5 }), 0);
  });
});
