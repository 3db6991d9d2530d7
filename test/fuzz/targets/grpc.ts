import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Message } from '../../../src/core/message.js';
import { Metadata } from '../../../src/core/metadata.js';
import { GrpcFrames } from '../../../src/core/grpc-frames.js';
import { frameLimits, readMessage, writeHead } from '../../../src/transport/grpc/message.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const LIMITS = { maxMessageBytes: 4_096, maxHeaderBytes: 2_048, maxHeaders: 20 };
const REFUSED = ['invalid_argument', 'resource_exhausted', 'unimplemented'] as const;

const name = fc.oneof(fc.constantFrom('Foo', 'foo', 'Micro-Id', '__proto__', 'constructor'), text);
const message: fc.Arbitrary<Message> = fc
  .tuple(fc.array(fc.tuple(name, text), { maxLength: 5 }), fc.uint8Array({ maxLength: 40 }))
  .map(([pairs, body]) => ({ header: new Metadata(pairs), body }));

function written(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.flatMap((each) => [writeHead(each), each.body]));
}

/** What one stream of the grpc transport carries, cut at any place. */
export const grpcMessages = target({
  name: 'grpc-messages',
  inputs: fc.tuple(
    damaged(fc.array(message, { minLength: 1, maxLength: 3 }).map(written), [
      '\x0a\x06\x0a\x01a\x12\x01b',
      '\x12\xff\xff\xff\xff\x0f',
      '\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80',
      '\x0b\x0c',
    ]),
    fc.integer({ min: 1, max: 100 }),
    fc.boolean(),
  ),
  read: ([bytes, step, octavo]) => {
    const incoming = new GrpcFrames(frameLimits(LIMITS));
    const messages: Message[] = [];
    for (let at = 0; at < bytes.length; at += step) {
      incoming.add(Buffer.from(bytes.subarray(at, at + step)));
      for (let next = incoming.next(); next !== undefined; next = incoming.next())
        messages.push(readMessage(next.body, LIMITS, octavo));
      incoming.settle();
    }
    return messages;
  },
  refuses: REFUSED,
  found: (messages) => messages.length > 0,
  holds(messages) {
    for (const each of messages) {
      assert.ok(each.header.size <= LIMITS.maxHeaders && each.body.length <= LIMITS.maxMessageBytes);
      const bytes = written([each]);
      const again = readMessage(bytes.subarray(5), LIMITS, true);
      assert.deepEqual([...again.body], [...each.body]);
      for (const [spelled] of each.header)
        assert.deepEqual(again.header.getAll(spelled), each.header.getAll(spelled));
    }
  },
});
