import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseHttpAddress } from '../../../src/core/http-address.js';
import { TagReader, writeTags } from '../../../src/registry/consul/tags.js';
import type { NodeRecord } from '../../../src/registry/node-record.js';
import { readRecord, writeRecord } from '../../../src/registry/record-json.js';
import { damagedText } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const metadata = fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true });
const value = fc.record({ name: text, type: text, values: fc.constant([]) });
const record: fc.Arbitrary<NodeRecord> = fc.record({
  service: fc.record({
    name: fc.constantFrom('greeter', 'a/b', '__proto__'),
    version: fc.constantFrom('1.0.0', 'latest'),
    metadata,
    endpoints: fc.array(fc.record({ name: text, request: value, response: value, metadata }), {
      maxLength: 3,
    }),
  }),
  node: fc.record({ id: fc.constantFrom('greeter-1', 'é'), address: text, metadata }),
});

/** Records as go-micro keeps them in etcd and ZooKeeper, and in the annotations of pods. */
export const registryRecords = target({
  name: 'registry-records',
  inputs: damagedText(record.map(writeRecord), [
    'null',
    '{}',
    '[',
    '"nodes":1',
    '"endpoints":[1]',
    '[['.repeat(400),
  ]),
  read: readRecord,
  found: (records) => records.length > 0,
  holds(records) {
    for (const each of records) assert.deepEqual(readRecord(writeRecord(each)), [each]);
  },
});

/** Tags as go-micro has them in Consul. */
export const consulTags = target({
  name: 'consul-tags',
  inputs: damagedText(
    record.map((each) => writeTags(each, 'other').join('\n')),
    ['v=', 'v-', 't=null', 'e=[]', 'm=1', 'e-78', `e={"request":${'{"values":['.repeat(400)}`, '\n'],
  ).map((tags) => tags.split('\n')),
  read: (tags) => new TagReader().read(tags),
  holds(tagged) {
    assert.notEqual(tagged?.version, '');
  },
});

/** Addresses of servers that speak HTTP. */
export const httpAddresses = target({
  name: 'http-addresses',
  inputs: damagedText(
    fc.constantFrom('127.0.0.1:80', 'https://a:b%3A@[::1]:1', 'http://consul', 'a%40b@c/'),
    ['@', '://', '%', '[', ':'],
  ),
  read: (address) => parseHttpAddress(address, 80),
  refuses: ['invalid_argument'],
});
