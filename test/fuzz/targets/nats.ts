import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Metadata } from '../../../src/core/metadata.js';
import { readChange, readQuestion, writeChange, writeQuestion } from '../../../src/registry/nats/packets.js';
import { readEnvelope, writeEnvelope } from '../../../src/transport/nats/envelope.js';
import { FRAME, readFrame, readMessage, writeMessage } from '../../../src/transport/bus/frame.js';
import { MESSAGE_LIMITS } from '../../../src/transport/transport.js';
import { damaged } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const name = fc.oneof(fc.constantFrom('Foo', 'foo', 'Micro-Id', '__proto__', 'constructor'), text);
const message = fc
  .tuple(fc.array(fc.tuple(name, text), { maxLength: 5 }), fc.uint8Array({ maxLength: 40 }))
  .map(([pairs, body]) => ({ header: new Metadata(pairs), body }));

/** Messages of go-micro's nats transport. */
export const natsEnvelopes = target({
  name: 'nats-envelopes',
  inputs: damaged(message.map(writeEnvelope), [
    'null',
    '{}',
    '[',
    '"Body":1',
    '====',
    '"\\ud800"',
    '\\u0000',
    '[['.repeat(400),
  ]),
  read: readEnvelope,
  refuses: ['invalid_argument'],
  holds(output) {
    const again = readEnvelope(writeEnvelope(output));
    assert.deepEqual([...again.body], [...output.body]);
    // One name has a spelling of its own there.
    for (const [name] of output.header) assert.equal(again.header.get(name), output.header.get(name));
  },
});

/** Frames of the links between Octavo peers over NATS. */
export const natsFrames = target({
  name: 'nats-frames',
  inputs: damaged(
    message.map((each) => writeMessage(FRAME.call, 1, each)),
    ['\0\0\0\x02[]', '["a",', '"\\n"', 'null', '[['.repeat(400)],
  ),
  read: (bytes) => readMessage(readFrame(bytes).rest, MESSAGE_LIMITS.maxHeaderBytes),
  refuses: ['invalid_argument', 'resource_exhausted'],
  holds(output) {
    const again = readMessage(
      readFrame(writeMessage(FRAME.message, 1, output)).rest,
      MESSAGE_LIMITS.maxHeaderBytes,
    );
    assert.deepEqual([...again.body], [...output.body]);
    assert.deepEqual([...again.header], [...output.header]);
  },
});

/** Bytes that a server takes. */
const PAYLOAD = 1024 * 1024;

const metadata = fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true });
const registered = fc.record({
  service: fc.record({
    name: fc.constantFrom('greeter', '__proto__'),
    version: fc.constantFrom('1.0.0', 'latest'),
    metadata,
    endpoints: fc.constant([]),
  }),
  node: fc.record({ id: fc.constantFrom('greeter-1', 'é', '__proto__'), address: text, metadata }),
  ttlMs: fc.constantFrom(undefined, 90_000),
});

/** What is told and asked on the topics of go-micro's nats registry. */
export const natsChanges = target({
  name: 'nats-changes',
  inputs: damaged(
    fc.oneof(
      fc
        .tuple(fc.constantFrom('create', 'delete'), registered)
        .map(([action, each]) => writeChange(action, [each], PAYLOAD)[0] ?? Buffer.alloc(0)),
      fc.constantFrom(undefined, 'greeter').map(writeQuestion),
    ),
    ['null', '{}', '[', '"nodes":[1]', '"ttlMs":-1', '"Action":"put"', '"Service":null', '[['.repeat(400)],
  ),
  read: (bytes) => ({ change: readChange(bytes), question: readQuestion(bytes) }),
  found: ({ change, question }) => change !== undefined || question !== undefined,
  holds({ change, question }) {
    if (question !== undefined) assert.deepEqual(readQuestion(writeQuestion(question.name)), question);
    if (change === undefined) return;
    const said = writeChange(change.action === 'put' ? 'create' : 'delete', change.nodes, PAYLOAD);
    const again = said.map(readChange);
    assert.deepEqual(
      again.flatMap((each) => each?.nodes ?? []),
      change.nodes,
    );
    for (const each of again) assert.equal(each?.action, change.action);
  },
});
