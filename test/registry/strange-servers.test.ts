import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, describe, it } from 'node:test';
import { OctavoError } from '../../src/core/error.js';
import { ConsulRegistry } from '../../src/registry/consul.js';
import { EtcdV2Registry } from '../../src/registry/etcd-v2.js';
import { KubernetesRegistry } from '../../src/registry/kubernetes.js';
import type { Registry, ServiceRecord } from '../../src/registry/registry.js';
import { parts } from '../support/parts.js';

const GREETER: ServiceRecord = {
  name: 'greeter',
  version: '1',
  metadata: {},
  endpoints: [],
  nodes: [{ id: 'a', address: '127.0.0.1:1', metadata: {} }],
};

/** Bodies of answers that nobody expects. */
const BODIES = [
  '',
  'null',
  '[]',
  '{}',
  '0',
  '"x"',
  '[null,1,"x",[],{}]',
  '{"node":null}',
  '{"node":{"nodes":[null,{"key":1,"value":2},{"key":"/x","value":"{"}]}}',
  '{"node":{"modifiedIndex":"x"}}',
  '{"errorCode":"x"}',
  '[{"Service":null},{"Service":{"Service":"greeter","ID":1}},{"Service":{"Service":"greeter","ID":"x","Tags":{}}}]',
  '{"greeter":null,"other":["v-1",1]}',
  '{',
  '<html>',
  '{"items":[null,1,{"metadata":null},{"metadata":{"name":1,"annotations":[]},"status":{"phase":"Running","conditions":7}}]}',
  '{"metadata":{"continue":"and so on"},"items":[{}]}',
  '{"type":"ADDED","object":{"metadata":{"name":"x","annotations":{"micro.mu/service-greeter":"{"}}}}\\n{"type":"ERROR"}',
  '['.repeat(10_000),
];
const INDEXES = ['', '0', '-1', 'x', '1e400', '5', '4'];

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(answer: (asked: IncomingMessage, reply: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const at = server.address();
  return `127.0.0.1:${typeof at === 'object' ? at?.port : ''}`;
}

/** Everything that a registry does, whatever comes of it, as long as that is an error of ours. */
async function tryAll(registry: Registry): Promise<void> {
  const abort = new AbortController();
  const watching = [
    registry.watch({ signal: abort.signal }),
    registry.watch({ service: 'greeter', signal: abort.signal }),
  ];
  const asked = [
    registry.register(GREETER, { ttlMs: 1_000 }),
    registry.register(GREETER),
    registry.deregister(GREETER),
    Promise.resolve(registry.getService('greeter')),
    registry.listServices(),
    ...watching.map(async (changes) => {
      for await (const { service } of changes) assert.ok(service.nodes.length > 0);
    }),
  ];
  setTimeout(() => abort.abort(), 30);
  for (const end of await Promise.allSettled(asked))
    if (end.status === 'rejected') assert.ok(end.reason instanceof OctavoError, String(end.reason));
}

const REGISTRIES: readonly (readonly [string, (address: string) => Registry])[] = [
  [
    'consul',
    (address) => new ConsulRegistry({ addresses: [address], timeoutMs: 500, connectTimeoutMs: 1 }, parts()),
  ],
  [
    'etcd-v2',
    (address) => new EtcdV2Registry({ addresses: [address], timeoutMs: 500, connectTimeoutMs: 1 }, parts()),
  ],
  [
    'kubernetes',
    (address) =>
      new KubernetesRegistry(
        { addresses: [address], pod: 'a', services: true, timeoutMs: 500, connectTimeoutMs: 1 },
        parts(),
      ),
  ],
];

for (const [name, make] of REGISTRIES)
  describe(`the ${name} registry, at a server that is none`, () => {
    for (const status of [200, 201, 302, 400, 404, 500])
      it(`survives answers with ${status}`, async () => {
        for (const body of BODIES) {
          let n = 0;
          const address = await serve((_, reply) => {
            const index = INDEXES[n++ % INDEXES.length] ?? '';
            const headers = {
              'content-type': 'application/json',
              'x-consul-index': index,
              'x-etcd-index': index,
            };
            reply.writeHead(status, headers).end(body);
          });
          const registry = make(address);
          // It may take this for a server.
          await Promise.resolve(registry.start()).catch((error: unknown) =>
            assert.ok(error instanceof OctavoError),
          );
          await tryAll(registry);
          await registry.stop();
        }
      });

    it('asks one that answers at once, always the same, no more than a few times', async () => {
      for (const index of ['5', 'x', '1']) {
        let asked = 0;
        const address = await serve((request, reply) => {
          asked++;
          const headers = {
            'content-type': 'application/json',
            'x-consul-index': index,
            'x-etcd-index': index,
          };
          reply.writeHead(200, { ...headers, 'x-consul-contenthash': 'x' });
          reply.end(
            request.url?.includes('health') === true
              ? '[]'
              : '{"node":{"key":"/a","value":"x","modifiedIndex":5}}',
          );
        });
        const registry = make(address);
        await Promise.resolve(registry.start()).catch(() => {});
        await tryAll(registry);
        const changes = registry
          .watch({ service: 'greeter' })
          [Symbol.asyncIterator]()
          .next()
          .catch(() => {});
        const before = asked;
        await new Promise((resolve) => setTimeout(resolve, 500));
        assert.ok(asked - before < 60, `${asked - before} times in half a second`);
        await registry.stop();
        await changes;
      }
    });

    it('survives one that breaks off in the middle, and one that never ends', async () => {
      for (const end of [(reply: ServerResponse) => reply.destroy(), () => {}]) {
        const address = await serve((_, reply) => {
          reply.writeHead(200, { 'content-type': 'application/json', 'x-etcd-index': '1' });
          reply.write('[');
          setImmediate(() => end(reply));
        });
        const registry = make(address);
        await assert.rejects(Promise.resolve(registry.start()), OctavoError);
        await registry.stop();
      }
    });
  });
