import assert from 'node:assert/strict';
import fc from 'fast-check';
import { canBeLabelled, nodesOfPod, podPatch } from '../../../src/registry/kubernetes/pods.js';
import { nodesOfSlice } from '../../../src/registry/kubernetes/slices.js';
import type { NodeRecord } from '../../../src/registry/node-record.js';
import { parseServers } from '../../../src/registry/zookeeper/address.js';
import { Frames } from '../../../src/registry/zookeeper/frames.js';
import { damagedText } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const metadata = fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true });
const record: fc.Arbitrary<NodeRecord> = fc.record({
  service: fc.record({
    name: fc.constantFrom('greeter', 'a/b', '__proto__x', 'é.b'),
    version: fc.constantFrom('1', '2'),
    metadata,
    endpoints: fc.constant([]),
  }),
  node: fc.record({ id: fc.constantFrom('a', 'b'), address: text, metadata }),
});

/** A pod as the API server gives it, with what one service of it has registered. */
const pod = fc.array(record, { minLength: 1, maxLength: 3 }).map((records) => {
  const [{ service } = { service: { name: 'x' } }] = records;
  const patch = podPatch(
    service.name,
    records.filter((each) => each.service.name === service.name),
  );
  const conditions = [{ type: 'Ready', status: 'True' }];
  return JSON.stringify({ ...(patch as object), status: { phase: 'Running', conditions } });
});

/** Nodes in the annotations of pods, whatever anybody has written there. */
export const kubernetesPods = target({
  name: 'kubernetes-pods',
  inputs: damagedText(pod, ['null', '[]', '"more":1', '"more":[null]', '"conditions":7', '[['.repeat(400)]),
  read: (given) => nodesOfPod(parsed(given), undefined),
  found: (nodes) => nodes.length > 0,
  holds(nodes) {
    for (const { service, node } of nodes) assert.ok(canBeLabelled(service.name) && node.id !== '');
  },
});

const slice = fc
  .record({
    address: fc.constantFrom('10.0.0.1', 'fd00::1'),
    ready: fc.boolean(),
    zone: text,
    port: fc.nat(),
  })
  .map(({ address, ready, zone, port }) =>
    JSON.stringify({
      metadata: { labels: { 'kubernetes.io/service-name': 'web', 'app.kubernetes.io/version': '1' } },
      addressType: 'IPv4',
      ports: [{ name: 'rpc', port, appProtocol: 'mucp' }],
      endpoints: [{ addresses: [address], conditions: { ready }, targetRef: { name: 'web-1' }, zone }],
    }),
  );

/** Endpoints of Services. */
export const kubernetesSlices = target({
  name: 'kubernetes-slices',
  inputs: damagedText(slice, ['null', '[]', '"endpoints":[null]', '"addresses":[1]', '"ports":{}']),
  read: (given) => nodesOfSlice(parsed(given), undefined),
  found: (nodes) => nodes.length > 0,
  holds(nodes) {
    for (const { node } of nodes) assert.match(node.address, /:\d+$/);
  },
});

/** Addresses of ZooKeeper servers. */
export const zookeeperAddresses = target({
  name: 'zookeeper-addresses',
  inputs: damagedText(fc.constantFrom('127.0.0.1:2181', 'a:b%3A@[::1]:1', 'zk', 'ada@zk:1'), [
    '@',
    '::',
    '%',
  ]),
  read: (given) => parseServers([given]),
  refuses: ['invalid_argument'],
  holds({ servers }) {
    for (const { port, shown } of servers) assert.ok(port >= 0 && port < 65_536 && !shown.includes('@'));
  },
});

/** Where answers of ZooKeeper end, whatever pieces they come in. */
export const zookeeperFrames = target({
  name: 'zookeeper-frames',
  inputs: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
  read(pieces) {
    const [whole, apart] = [new Frames(), new Frames()];
    return { whole: whole.pass(Buffer.concat(pieces)), apart: pieces.every((piece) => apart.pass(piece)) };
  },
  found: ({ whole }) => whole,
  holds({ whole, apart }) {
    assert.equal(whole, apart);
  },
});

function parsed(given: string): unknown {
  try {
    return JSON.parse(given) as unknown;
  } catch {
    return given;
  }
}
