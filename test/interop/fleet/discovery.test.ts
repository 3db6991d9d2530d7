import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { OctavoError } from '../../../src/core/error.js';
import { MdnsRegistry } from '../../../src/registry/mdns.js';
import type { RegistryEvent, ServiceRecord } from '../../../src/registry/registry.js';
import { rpc } from '../../../src/server/rpc.js';
import { parts } from '../../support/parts.js';
import { GoPeer, VERSIONS } from './go-peer.js';
import { serving, until } from './octavo.js';

/** A node as the Go peers write and read it. */
interface GoRecord {
  readonly name: string;
  readonly version: string;
  readonly node: string;
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly string[];
}

const GREETER = [
  'Greeter.Chat',
  'Greeter.Count',
  'Greeter.Empty',
  'Greeter.Fail',
  'Greeter.Hello',
  'Greeter.Slow',
];

function record(
  name: string,
  node: string,
  more: Partial<ServiceRecord['nodes'][number]> = {},
): ServiceRecord {
  return {
    name,
    version: '1',
    metadata: {},
    endpoints: [],
    nodes: [{ id: node, address: '127.0.0.1:1', metadata: {}, ...more }],
  };
}

for (const version of VERSIONS)
  describe(`mDNS between Octavo and go-micro ${version}`, () => {
    let go: GoPeer;
    let registry: MdnsRegistry;
    before(async () => {
      go = new GoPeer(version);
      registry = new MdnsRegistry({ interfaces: ['127.0.0.1'] }, parts());
      await registry.start();
    });
    after(async () => {
      await registry.stop();
      await go[Symbol.asyncDispose]();
    });

    const got = (service: string): Promise<readonly GoRecord[]> => go.ask({ do: 'get', service });
    const changed = async (service: string, action: string): Promise<GoRecord> =>
      (await go.event('change', { service, action }))['record'] as GoRecord; // what the peer tells with a change

    it('shows a Go service with its endpoints, and tells that it comes and goes', async () => {
      const changes = registry.watch({ service: 'gopher' })[Symbol.asyncIterator]();
      await using other = new GoPeer(version);
      const serve = {
        do: 'serve',
        service: 'gopher',
        version: '1.2',
        serverID: 'x',
        metadata: { Zone: 'ä' },
      };
      const { address } = await other.ask<{ address: string }>(serve);
      const [found, ...more] = await registry.getService('gopher');
      assert.deepEqual(more, []);
      assert.deepEqual([found?.version, found?.nodes.length], ['1.2', 1]);
      const [node] = found?.nodes ?? [];
      assert.deepEqual([node?.id, node?.address], ['gopher-x', address]);
      assert.deepEqual(
        [node?.metadata['protocol'], node?.metadata['transport'], node?.metadata['Zone']],
        ['mucp', 'http', 'ä'],
      );
      const names = found?.endpoints.map(({ name }) => name) ?? [];
      assert.deepEqual(
        names.filter((name) => name.startsWith('Greeter.')),
        GREETER,
      );
      assert.equal(found?.endpoints.find(({ name }) => name === 'Greeter.Chat')?.metadata['stream'], 'true');
      assert.deepEqual((await registry.listServices()).includes('gopher'), true);
      assert.deepEqual(told(await changes.next()), ['create', 'gopher-x']);
      await other.ask({ do: 'stop' });
      assert.deepEqual(told(await changes.next()), ['delete', 'gopher-x']);
      assert.deepEqual(await registry.getService('gopher'), []);
    });

    it('shows Go an Octavo service with its endpoints, and tells that it comes and goes', async () => {
      await go.ask({ do: 'watch', service: 'greeter' });
      await using service = await serving({ server: rpc({ metadata: { Zone: 'ä' } }) });
      const node = service.server.node ?? assert.fail();
      const [found, ...more] = await got('greeter');
      assert.deepEqual(more, []);
      assert.deepEqual(
        [found?.version, found?.node, found?.address, found?.endpoints],
        ['1', node.id, node.address, GREETER],
      );
      assert.deepEqual([found?.metadata['protocol'], found?.metadata['Zone']], ['mucp', 'ä']);
      assert.ok((await go.ask<string[]>({ do: 'list' })).includes('greeter'));
      assert.equal((await changed('greeter', 'create')).node, node.id);
      await service.stop();
      assert.equal((await changed('greeter', 'delete')).node, node.id);
      assert.deepEqual(await got('greeter'), []);
      assert.ok(!(await go.ask<string[]>({ do: 'list' })).includes('greeter'));
    });

    it('shows Go several nodes of one service, of several versions', async () => {
      await registry.register(record('several', 'several-1'));
      await registry.register(record('several', 'several-2', { address: '127.0.0.1:2' }));
      await registry.register({ ...record('several', 'several-3'), version: '2' });
      const found = (await got('several')).map(({ node, version: its, address }) => [node, its, address]);
      assert.deepEqual(found, [
        ['several-1', '1', '127.0.0.1:1'],
        ['several-2', '1', '127.0.0.1:2'],
        ['several-3', '2', '127.0.0.1:1'],
      ]);
      for (const { name, nodes } of await registry.getService('several'))
        for (const { id } of nodes) await registry.deregister(record(name, id));
      assert.deepEqual(await got('several'), []);
    });

    it('shows what Go registers by hand, and no more once that is gone', async () => {
      const of = {
        name: 'by.hand',
        version: '1',
        node: 'by.hand-1',
        address: '127.0.0.1:7',
        metadata: { a: 'b' },
      };
      await go.ask({ do: 'register', record: of });
      const [found] = await registry.getService('by.hand');
      assert.deepEqual(found?.nodes, [{ id: 'by.hand-1', address: '127.0.0.1:7', metadata: { a: 'b' } }]);
      await go.ask({ do: 'deregister', record: of });
      assert.deepEqual(await registry.getService('by.hand'), []);
    });

    it('finds names with dots, and minds their case', async () => {
      await registry.register(record('com.example.Greeter', 'com.example.Greeter-1'));
      assert.equal((await got('com.example.Greeter')).length, 1);
      assert.deepEqual(await got('com.example.greeter'), []);
      await registry.deregister(record('com.example.Greeter', 'com.example.Greeter-1'));
    });

    it('tells Go of metadata that changed at once, as go-micro itself does not', async () => {
      const changes = registry.watch({ service: 'changing' })[Symbol.asyncIterator]();
      await go.ask({ do: 'watch', service: 'changing' });
      await registry.register(record('changing', 'changing-1', { metadata: { load: '1' } }));
      assert.equal((await changed('changing', 'create')).metadata['load'], '1');
      await registry.register(record('changing', 'changing-1', { metadata: { load: '2' } }));
      // go-micro's watch knows no update.
      await until(async () => (await changed('changing', 'create')).metadata['load'] === '2');
      assert.deepEqual((await got('changing'))[0]?.metadata, { load: '2' });
      assert.deepEqual([told(await changes.next())[0], told(await changes.next())[0]], ['create', 'update']);
      await registry.deregister(record('changing', 'changing-1'));

      const of = { name: 'stuck', version: '1', node: 'stuck-1', address: '127.0.0.1:7' };
      await go.ask({ do: 'register', record: { ...of, metadata: { load: '1' } } });
      await go.ask({ do: 'register', record: { ...of, metadata: { load: '2' } } });
      assert.deepEqual((await registry.getService('stuck'))[0]?.nodes[0]?.metadata, { load: '1' });
      await go.ask({ do: 'deregister', record: of });
    });

    it('tells Go that a node expired which was not renewed', async () => {
      await go.ask({ do: 'watch', service: 'expiring' });
      await registry.register(record('expiring', 'expiring-1'), { ttlMs: 300 });
      assert.equal((await changed('expiring', 'create')).node, 'expiring-1');
      assert.equal((await changed('expiring', 'delete')).node, 'expiring-1');
      assert.deepEqual(await got('expiring'), []);
    });

    it('shows no node of a process that was killed, though nobody said goodbye', async () => {
      await using other = new GoPeer(version);
      await other.ask({ do: 'serve', service: 'mortal', version: '1', serverID: 'x' });
      assert.equal((await registry.getService('mortal')).length, 1);
      await other.kill();
      assert.deepEqual(await registry.getService('mortal'), []);

      const env = { ...process.env, MICRO_REGISTRY_ADDRESS: '127.0.0.1', MICRO_SERVER_NAME: 'mortal-too' };
      const ours = spawn(process.execPath, ['dist/samples/greeter/server.js'], { env, stdio: 'ignore' });
      try {
        await until(async () => (await got('mortal-too')).length === 1);
      } finally {
        ours.kill('SIGKILL');
        await once(ours, 'close');
      }
      assert.deepEqual(await got('mortal-too'), []);
    });

    it('refuses a node that Go would list and never find: a label of a name holds 63 bytes', async () => {
      const name = 'x'.repeat(27);
      const node = `${name}-11111111-2222-3333-4444-555555555555`;
      await assert.rejects(
        registry.register(record(name, node)),
        (error) =>
          error instanceof OctavoError && error.code === 'invalid_argument' && error.message.includes('63'),
      );
      const shorter = record(name.slice(1), node.slice(1));
      await registry.register(shorter);
      assert.equal((await got(name.slice(1))).length, 1);
      await registry.deregister(shorter);
    });
  });

/** What was done to which node. */
function told({ value }: IteratorResult<RegistryEvent, unknown>): [string, string | undefined] {
  // These watches do not end by themselves.
  const { action, service } = value as RegistryEvent;
  return [action, service.nodes[0]?.id];
}
