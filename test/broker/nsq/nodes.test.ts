import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { producersIn } from '../../../src/broker/nsq/nodes.js';

describe('what an nsqlookupd answers', () => {
  it('names nsqds, and what else is in it is left alone', () => {
    const producers = [
      { broadcast_address: 'nsq.example', tcp_port: 4150, hostname: 'x', http_port: 4151, tombstones: [] },
      { broadcast_address: '::1', tcp_port: 4152 },
      { broadcast_address: 5, tcp_port: 4150 },
      { broadcast_address: 'x', tcp_port: '4150' },
      null,
      'x',
    ];
    assert.deepEqual(producersIn({ producers }), ['nsq.example:4150', '[::1]:4152']);
  });

  it('is an error or a list, whatever it is, and no list without an end', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ producers: fc.jsonValue() })), (value) => {
        try {
          for (const each of producersIn(value)) assert.equal(typeof each, 'string');
        } catch (reason) {
          assert.ok(reason instanceof Error && reason.message.includes('no list of producers'));
        }
      }),
    );
    const producers = Array.from({ length: 10_000 }, (_, n) => ({ broadcast_address: `n${n}`, tcp_port: 1 }));
    assert.equal(producersIn({ producers }).length, 256);
  });
});
