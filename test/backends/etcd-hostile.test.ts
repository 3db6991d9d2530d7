import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { EtcdClient } from '../../src/registry/etcd/client.js';
import { EtcdRegistry } from '../../src/registry/etcd.js';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import type { Registry } from '../../src/registry/registry.js';
import { EtcdServer } from '../support/etcd-server.js';
import { parts } from '../support/parts.js';
import { failure, record, Told } from './support/registry-faults.js';

/** What is no record of `greeter`, by the end of its key. */
const STRANGE: readonly (readonly [string, string])[] = [
  ['greeter/empty', ''],
  ['greeter/text', 'hello'],
  ['greeter/null', 'null'],
  ['greeter/list', '[]'],
  ['greeter/nodes', '{"name":"greeter","version":"1","nodes":[null,{"id":1}]}'],
  ['greeter/version', '{"name":"greeter","version":"","nodes":[{"id":"x","address":"y:1"}]}'],
  ['greeter/other', '{"name":"other","version":"1","nodes":[{"id":"x","address":"y:1"}]}'],
  ['greeter/deep', `{"name":"greeter","version":"1","nodes":${'['.repeat(100_000)}`],
  ['greeter/large', `{"name":"greeter","version":"1","nodes":[{"id":"${'x'.repeat(1_200_000)}"}]}`],
  ['greeter/below/it', '{"name":"other","version":"1","nodes":[{"id":"z","address":"y:1"}]}'],
  ['loose', 'x'],
];

/** Holds that what strangers put among the keys is passed over, and harms nothing beside it. */
async function passesOver(
  registry: Registry,
  put: (key: string, value: string) => Promise<void>,
): Promise<void> {
  await registry.start();
  try {
    await put(...(STRANGE[1] ?? ['', '']));
    const told = new Told(registry.watch({ service: 'greeter' }));
    await registry.register(record('a'), { ttlMs: 30_000 });
    for (const [key, value] of STRANGE) await put(key, value);
    await registry.register(record('b'), { ttlMs: 30_000 });
    await told.until('create b');
    assert.deepEqual(told.events, ['create a', 'create b']);
    const [found, ...others] = await registry.getService('greeter');
    assert.deepEqual(found?.nodes.map(({ id }) => id).sort(), ['a', 'b']);
    assert.deepEqual(others, []);
    assert.deepEqual(await registry.listServices(), ['greeter', 'other']);
    // A node whose record is overwritten by nonsense is gone, and back with its next renewal.
    await put('greeter/a', 'nonsense');
    await told.until('delete a');
    await registry.register(record('a'), { ttlMs: 30_000 });
    assert.equal((await registry.getService('greeter'))[0]?.nodes.length, 2);
  } finally {
    await registry.stop();
  }
}

describe('what strangers put into etcd', () => {
  it('is passed over by the etcd registry', async () => {
    const server = await EtcdServer.start();
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    try {
      await passesOver(new EtcdRegistry({ addresses: [server.address] }, parts()), async (key, value) => {
        await server.ask('kv/put', { key: base64(`/micro/registry/${key}`), value: base64(value) });
      });
    } finally {
      await server.stop();
    }
  });

  it('is passed over by the etcd-v2 registry', async () => {
    const server = await EtcdServer.start({ args: ['--enable-v2'] });
    try {
      await passesOver(new EtcdV2Registry({ addresses: [server.address] }, parts()), async (key, value) => {
        const asked = { method: 'PUT', body: new URLSearchParams({ value }) };
        const answer = await fetch(`http://${server.address}/v2/keys/micro-registry/${key}`, asked);
        if (!answer.ok) throw new Error(await answer.text());
      });
    } finally {
      await server.stop();
    }
  });
});

describe('the etcd-v2 registry', () => {
  it('refuses names that etcd would hide or walk, and what is taken away as a whole is gone', async () => {
    const server = await EtcdServer.start({ args: ['--enable-v2'] });
    const registry = new EtcdV2Registry({ addresses: [server.address] }, parts());
    await registry.start();
    try {
      for (const name of ['_hidden', '.', '..'])
        assert.equal((await failure(registry.register({ ...record('a'), name }))).code, 'invalid_argument');
      const told = new Told(registry.watch());
      // Of somebody who does not have them registered again.
      const gone = new EtcdV2Registry({ addresses: [server.address] }, parts());
      await gone.start();
      for (const id of ['a', 'b']) await gone.register(record(id));
      gone.stop();
      await told.until('create b');
      await fetch(`http://${server.address}/v2/keys/micro-registry?recursive=true`, { method: 'DELETE' });
      await told.until('delete a');
      await told.until('delete b');
    } finally {
      registry.stop();
      await server.stop();
    }
  });
});

describe('a watch of etcd', () => {
  it('breaks off where etcd has forgotten what it is to tell, and says so', async () => {
    const server = await EtcdServer.start();
    const client = new EtcdClient({ addresses: [server.address] }, '/a/', parts());
    await client.start();
    try {
      const { revision } = await client.list('/a/');
      for (let n = 0; n < 5; n++) await client.put(`/a/${n}`, 'x', undefined);
      await server.compact();
      const { signal } = new AbortController();
      const seen: string[] = [];
      const error = await failure(client.follow('/a/', revision, signal, ({ key }) => seen.push(key)));
      assert.equal(error.code, 'unavailable');
      assert.match(error.message, /etcd ended a watch: it has forgotten what was before revision \d+/);
      assert.deepEqual(seen, []);
    } finally {
      await client.stop();
      await server.stop();
    }
  });

  it('breaks off with what its listener throws, which nobody else could catch', async () => {
    const server = await EtcdServer.start();
    const client = new EtcdClient({ addresses: [server.address] }, '/a/', parts());
    await client.start();
    try {
      const { revision } = await client.list('/a/');
      const { signal } = new AbortController();
      const following = failure(
        client.follow('/a/', revision, signal, () => {
          throw new OctavoError('internal', 'no');
        }),
      );
      await client.put('/a/1', 'x', undefined);
      assert.equal((await following).code, 'internal');
    } finally {
      await client.stop();
      await server.stop();
    }
  });
});
