import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEnvelope } from '../../src/broker/http/envelope.js';

describe('an event as it is posted', () => {
  const post = (headers: number): Buffer => {
    const more = Array.from({ length: headers - 1 }, (_, n) => [`H-${n}`, 'x']);
    return Buffer.from(JSON.stringify({ Header: { 'Micro-Topic': 't', ...Object.fromEntries(more) } }));
  };

  it('has as many headers as a message of a transport, and no more', () => {
    const read = readEnvelope(post(256));
    assert.ok(typeof read === 'object');
    assert.equal(read.header.size, 256);
    assert.equal(readEnvelope(post(257)), 'Error parsing request body: over 256 headers');
  });
});
