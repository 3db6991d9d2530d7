import assert from 'node:assert/strict';
import fc from 'fast-check';
import { writeEnvelope } from '../../../src/broker/envelope.js';
import { readPost } from '../../../src/broker/http/envelope.js';
import { formatAddress, parseAddress } from '../../../src/core/address.js';
import { CODES, OctavoError, type Code } from '../../../src/core/error.js';
import { HttpReader, type HttpMessage } from '../../../src/core/http-message.js';
import { writeHttp } from '../../../src/core/http-writer.js';
import { EMPTY } from '../../../src/core/message.js';
import { Metadata, checkMetadata } from '../../../src/core/metadata.js';
import { readTimeout } from '../../../src/core/mucp.js';
import { readError, writeError } from '../../../src/core/wire-error.js';
import { readDuration } from '../../../src/service/duration.js';
import { MESSAGE_LIMITS } from '../../../src/transport/transport.js';
import { damaged, damagedText } from '../damage.js';
import { text } from '../messages.js';
import { target } from '../target.js';

const name = fc.oneof(fc.constantFrom('Foo', 'foo', 'Content-Type', 'x-1', '__proto__'), text);
const pairs = fc.array(fc.tuple(name, text), { maxLength: 5 });
const body = fc.uint8Array({ maxLength: 40 });

const LIMITS = { maxBodyBytes: 8 * 1024 * 1024, maxHeaderBytes: 64 * 1024, maxHeaders: 256 };

/** Posts of go-micro's http broker. */
export const envelopes = target({
  name: 'envelopes',
  inputs: damaged(
    fc
      .tuple(pairs, body)
      .map(([header, bytes]) =>
        writeEnvelope('topic', { header: new Metadata(header), body: bytes }, LIMITS),
      ),
    [
      'null',
      '{}',
      '[',
      '"Micro-Topic":',
      '"__proto__":{"a":"b"},',
      '"Body":1',
      '====',
      '"\\ud800"',
      '[['.repeat(400),
    ],
  ),
  read: (bytes) => readPost(bytes, LIMITS),
  found: (output) => 'body' in output,
  holds(output) {
    if (!('body' in output)) return;
    const topic = output.header.get('Micro-Topic') ?? '';
    const again = readPost(writeEnvelope(topic, output, LIMITS), LIMITS);
    assert.ok('body' in again);
    assert.deepEqual(Buffer.from(again.body), Buffer.from(output.body));
    assert.deepEqual(again.header.toObject(), output.header.toObject());
  },
});

// Object.keys of a table gives the names of its members.
const code = fc.constantFrom(...(Object.keys(CODES) as Code[]));
const detail = fc
  .tuple(text, fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3, noNullPrototype: true }))
  .map(([type, members]) => ({ ...members, type }));
const anyText = fc.oneof(
  text,
  fc
    .array(fc.constantFrom('\x7f', '\r\n', '\0', '\ud800', 'é', '<&>', ' ', '\u2028'), { maxLength: 5 })
    .map((each) => each.join('')),
);
const error = fc
  .record({
    code,
    message: anyText,
    id: fc.option(text, { nil: undefined }),
    details: fc.array(detail, { maxLength: 2 }),
  })
  .map(({ code: of, message, id, details }) => new OctavoError(of, message, { details, ...(id && { id }) }));

/** Errors of any server. */
export const wireErrors = target({
  name: 'wire-errors',
  inputs: damagedText(
    fc.tuple(error, fc.boolean()).map(([each, octavo]) => writeError(each, 'id', octavo)),
    [
      'null',
      '{}',
      '{"valueOf":1,"toString":1}',
      '"code":{"valueOf":null,"toString":null},',
      '"code":',
      '"grpc":"internal",',
      '"grpc":"__proto__",',
      '"__proto__":{"a":1},',
      '"details":[null,[],{"type":"field_violations","fields":[null]}],',
      '"details":{},',
      '"executed":false,',
      '[['.repeat(400),
      '9'.repeat(400),
    ],
  ),
  read: readError,
  holds(output, input) {
    assert.ok(output.violations.length >= 0);
    // A text that is too long to be sent on is cut.
    if (input.length > 2_000) return;
    const again = readError(writeError(output, 'id', true));
    assert.deepEqual([again.code, again.message], [output.code, output.message]);
  },
});

/** Errors that we send: they come back, and fit a header. */
export const errorWriting = target({
  name: 'error-writing',
  inputs: fc.record({
    error,
    octavo: fc.boolean(),
    repeat: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(9_000) }),
  }),
  read({ error: { code: of, message, details }, octavo, repeat }) {
    return writeError(new OctavoError(of, message.repeat(repeat), { details }), 'id', octavo);
  },
  holds(told, { error: { code: of, message, details }, octavo, repeat }) {
    assert.deepEqual(
      throughHttp([
        ['Micro-Error', told],
        ['X-Micro-Error', told],
      ]).getAll('Micro-Error'),
      [told],
    );
    const read = readError(told);
    if (octavo) assert.equal(read.code, of);
    if (repeat !== 1) return;
    assert.equal(read.message, message);
    if (octavo) assert.deepEqual(read.details, JSON.parse(JSON.stringify(details)));
  },
});

/** What a user hands over as metadata: what is not refused arrives. */
export const metadata = target({
  name: 'metadata',
  inputs: fc.array(
    fc.tuple(
      fc.oneof(name, damagedText(fc.constantFrom('Foo', 'X-Bar'), ['Micro-', 'timeout', ':', '\r\n'])),
      damagedText(text, ['\r\n', '\n', '\0', '\x7f', '\t', '\x1b', ', ']),
    ),
    { maxLength: 5 },
  ),
  refuses: ['invalid_argument'],
  read: (all) => checkMetadata(new Metadata(all)),
  holds(output) {
    // What a transport refuses for its size.
    if (output.exceeds(60_000)) return;
    const sent = [...output].map(([each, value]) => [each, value.replace(/^[ \t]+|[ \t]+$/g, '')]);
    assert.deepEqual([...throughHttp(output)], sent);
    const copy = new Metadata(output);
    for (const [each] of output) {
      assert.equal(copy.get(each.toUpperCase()), copy.getAll(each).join(', '));
      assert.equal(
        Object.values(copy.toObject()).length,
        new Set([...copy].map(([one]) => one.toLowerCase())).size,
      );
    }
    for (const [each] of output) copy.delete(each.toLowerCase());
    assert.equal(copy.size, 0);
  },
});

/** The header that another process reads. */
function throughHttp(header: Metadata | (readonly [string, string])[]): Metadata {
  const read: HttpMessage[] = [];
  new HttpReader(MESSAGE_LIMITS, (each) => read.push(each)).feed(
    writeHttp('POST / HTTP/1.1', new Metadata(header), EMPTY),
  );
  assert.equal(read.length, 1);
  return read[0]?.header ?? new Metadata();
}

/** The `Timeout` header. */
export const timeouts = target({
  name: 'timeouts',
  inputs: damagedText(fc.nat().map(String), ['-', '.', 'e9', '9'.repeat(400), ' ', '٣']),
  read: (told) => readTimeout(told),
  holds: (ms) => assert.ok(ms === undefined || (Number.isFinite(ms) && ms > 0)),
});

/** The durations in `MICRO_*`. */
export const durations = target({
  name: 'durations',
  inputs: damagedText(fc.constantFrom('30', '5s', '1m30s', '500ms', '1.5h', '1h2m3s4ms'), [
    'ms',
    's',
    '.',
    '9'.repeat(400),
    '-',
    'e',
    '0.',
  ]),
  read: readDuration,
  holds: (ms) => assert.ok(ms === undefined || (Number.isFinite(ms) && ms >= 0)),
});

/** Addresses out of a registry. */
export const addresses = target({
  name: 'addresses',
  inputs: damagedText(fc.constantFrom('127.0.0.1:80', '[::1]:8080', ':0', 'localhost:65535', 'queue'), [
    ':',
    '[',
    ']',
    '[::',
    '99999',
    '\0',
  ]),
  refuses: ['invalid_argument'],
  read: parseAddress,
  holds({ host, port }) {
    if (!host.includes(':')) assert.deepEqual(parseAddress(formatAddress(host, port)), { host, port });
  },
});
