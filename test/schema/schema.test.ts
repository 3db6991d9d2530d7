import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

import fc from 'fast-check';
import protobuf from 'protobufjs';

import { OctavoError } from '../../src/core/error.js';
import { Any } from '../../src/schema/any.js';
import { Duration } from '../../src/schema/duration.js';
import type { JsonValue } from '../../src/schema/json-value.js';
import type { MessageType } from '../../src/schema/message-type.js';
import { protoText } from '../../src/schema/proto-text.js';
import { schemaOf } from '../../src/schema/schema.js';
import { Choices, Envelope, Free, Lists, Maps, Scalars, WellKnown, samples } from './sample-messages.js';

// fast-check prints the seed of a failure; put it here to run the same again.
const RUNS = { numRuns: 150 };

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const float = fc.float();
const text = fc.string({ unit: 'grapheme', maxLength: 80 });
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => new Uint8Array(value));
const color = fc.constantFrom(0 as const, 1 as const, -1 as const);
const time = fc.date({
  min: new Date('0001-01-01T00:00:00Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
});
const span = fc
  .tuple(fc.bigInt({ min: 0n, max: 315_575_999_999n }), fc.nat(999_999_999), fc.boolean())
  .map(([seconds, nanos, negative]) =>
    negative ? new Duration(-seconds, -nanos + 0) : new Duration(seconds, nanos),
  );

/** Instances of a class with some of its fields set. */
function instances<T extends object>(
  type: MessageType<T>,
  fields: { [Name in keyof T]?: fc.Arbitrary<T[Name]> },
): fc.Arbitrary<T> {
  // fast-check's type of an empty set of required fields does not fit a generic one.
  return fc
    .record(fields as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: [] })
    .map((values) => Object.assign(new type(), values));
}

const scalars = instances(Scalars, {
  double: fc.double(),
  float,
  int32,
  int64,
  uint32,
  uint64,
  sint32: int32,
  sint64: int64,
  fixed32: uint32,
  fixed64: uint64,
  sfixed32: int32,
  sfixed64: int64,
  bool: fc.boolean(),
  string: text,
  bytes,
});

const lists = instances(Lists, {
  int32s: fc.array(int32),
  sint64s: fc.array(int64),
  doubles: fc.array(fc.double()),
  fixed32s: fc.array(uint32),
  bools: fc.array(fc.boolean()),
  strings: fc.array(text),
  blobs: fc.array(bytes),
  colors: fc.array(color),
  messages: fc.array(scalars, { maxLength: 3 }),
  times: fc.array(time),
});

function mapOf<Key, Value>(
  key: fc.Arbitrary<Key>,
  value: fc.Arbitrary<Value>,
): fc.Arbitrary<Map<Key, Value>> {
  return fc.array(fc.tuple(key, value), { maxLength: 5 }).map((entries) => new Map(entries));
}

const maps = instances(Maps, {
  counts: mapOf(text, int32),
  names: mapOf(int64, text),
  blobs: mapOf(fc.boolean(), bytes),
  messages: mapOf(text, scalars),
  colors: mapOf(int32, color),
  spans: mapOf(uint64, span),
});

const { choices } = fc.letrec<{ choices: Choices }>((tie) => ({
  choices: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(new Choices()),
    fc
      .tuple(
        instances(Choices, {
          age: int32,
          nickName: text,
          color,
          scalars,
          children: fc.array(tie('choices'), { maxLength: 2 }),
          plainColor: color,
          last: fc.boolean(),
        }),
        fc.oneof(
          fc.record({ email: text }),
          fc.record({ phone: int64 }),
          fc.record({ other: tie('choices') }),
          fc.constant({}),
        ),
      )
      .map(([choice, contact]) => Object.assign(choice, contact)),
  ),
}));

const wellKnown = instances(WellKnown, {
  at: time,
  span,
  text,
  long: int64,
  blob: bytes,
  flag: fc.boolean(),
  double: fc.double(),
  float,
  int32,
  uint32,
  uint64,
});

// fast-check's own type of JSON is this one, but for what may be written to.
const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }) as fc.Arbitrary<JsonValue>;
const object = fc.dictionary(text, json, { noNullPrototype: true, maxKeys: 5 });
const list = fc.array(json, { maxLength: 5 });

const free = instances(Free, {
  object,
  value: json,
  list,
  values: list,
  named: mapOf(text, json),
  nones: fc.array(fc.constant(null)),
  known: fc.constant(null),
  asValue: json,
  objects: fc.array(object, { maxLength: 2 }),
  lists: fc.array(list, { maxLength: 2 }),
});

const { packed } = fc.letrec<{ packed: Any; envelope: Envelope }>((tie) => ({
  envelope: instances(Envelope, {
    content: tie('packed'),
    list: fc.array(scalars.map((each) => Any.pack(each))),
  }),
  packed: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    time.map((each) => Any.pack(each, 'google.protobuf.Timestamp')),
    json.map((each) => Any.pack(each, 'google.protobuf.Value')),
    scalars.map((each) => Any.pack(each)),
    tie('envelope').map((each) => Any.pack(each)),
    tie('packed').map((each) => Any.pack(each)),
  ),
}));
const envelope = instances(Envelope, { content: packed, text });

const root = new protobuf.Root();
for (const name of ['timestamp', 'duration', 'empty', 'wrappers', 'struct', 'any'])
  root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {});
protobuf.parse(protoText(samples), root);
root.resolveAll();

/** Runs a check on random messages of every sample class. */
function forAll(check: <T extends object>(type: MessageType<T>, message: T) => void): void {
  fc.assert(
    fc.property(scalars, (message) => check(Scalars, message)),
    RUNS,
  );
  fc.assert(
    fc.property(lists, (message) => check(Lists, message)),
    RUNS,
  );
  fc.assert(
    fc.property(maps, (message) => check(Maps, message)),
    RUNS,
  );
  fc.assert(
    fc.property(choices, (message) => check(Choices, message)),
    RUNS,
  );
  fc.assert(
    fc.property(wellKnown, (message) => check(WellKnown, message)),
    RUNS,
  );
  fc.assert(
    fc.property(free, (message) => check(Free, message)),
    RUNS,
  );
  fc.assert(
    fc.property(envelope, (message) => check(Envelope, message)),
    RUNS,
  );
}

/** Runs `work`, which may succeed or refuse its input, and nothing else. */
function survives(work: () => unknown): void {
  try {
    work();
  } catch (reason) {
    assert.ok(reason instanceof OctavoError, String(reason));
    assert.equal(reason.code, 'invalid_argument', reason.message);
  }
}

describe('random messages', () => {
  it('come back from their bytes', () =>
    forAll((type, message) => {
      const { encode, decode } = schemaOf(type);
      assert.deepEqual(decode(encode(message)), message);
    }));

  it('come back from their JSON', () =>
    forAll((type, message) => {
      const { toJson, fromJson, encode, decode } = schemaOf(type);
      const json = toJson(message);
      // What the bytes say is compared, as a float is rounded only there.
      assert.deepEqual(decode(encode(fromJson(json))), decode(encode(message)));
      survives(() => fromJson(JSON.parse(JSON.stringify(json))));
    }));

  it('have the bytes that protobufjs has for them', () =>
    forAll((type, message) => {
      const { name, encode, decode } = schemaOf(type);
      const oracle = root.lookupType(name);
      const own = encode(message);
      const theirs = oracle.encode(oracle.decode(own)).finish();
      assert.equal(own.length, theirs.length);
      // protobufjs has maps as objects, which sort their integer keys.
      if (message instanceof Maps || message instanceof Free) assert.deepEqual(decode(theirs), message);
      else assert.equal(Buffer.from(own).toString('hex'), Buffer.from(theirs).toString('hex'));
    }));

  it('have the values that protobufjs reads', () =>
    fc.assert(
      fc.property(scalars, (message) => {
        const oracle = root.lookupType('sample.Scalars');
        const decoded = oracle.decode(schemaOf(Scalars).encode(message));
        const read = oracle.toObject(decoded, { longs: BigInt, defaults: true });
        for (const [name, value] of Object.entries(message))
          if (value instanceof Uint8Array) assert.deepEqual(new Uint8Array(read[name] as Uint8Array), value);
          else assert.deepEqual(read[name], value, name);
      }),
      RUNS,
    ));
});

describe('random garbage', () => {
  it('is decoded or refused', () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...samples), (input, type) =>
        survives(() => schemaOf<object>(type).decode(input)),
      ),
      { numRuns: 2_000 },
    ));

  it('in the bytes of a message is decoded or refused', () =>
    forAll((type, message) => {
      const { encode, decode } = schemaOf(type);
      const input = new Uint8Array(encode(message));
      for (let at = 0; at < Math.min(input.length, 60); at += 7) {
        survives(() => decode(input.subarray(0, at)));
        survives(() => decode(input.with(at, 0xff)));
        survives(() => decode(input.with(at, (input[at] ?? 0) ^ 0x0b)));
      }
    }));

  it('as JSON is read or refused', () =>
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(...samples), (json, type) =>
        survives(() => schemaOf<object>(type).fromJson(JSON.parse(json))),
      ),
      { numRuns: 1_000 },
    ));

  it('in the members of JSON is read or refused', () => {
    const names = [
      'int32',
      'string',
      'bytes',
      'int64',
      'counts',
      'names',
      'strings',
      'messages',
      'scalars',
      'at',
      'span',
      'object',
      'value',
      'list',
      'content',
      'plain',
    ];
    const members = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(members, fc.constantFrom(...samples), (given, type) =>
        survives(() => schemaOf<object>(type).fromJson(given)),
      ),
      { numRuns: 1_000 },
    );
  });

  it('as a value is encoded or refused', () =>
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withDate: true }),
        fc.constantFrom(...samples),
        (value, type) => {
          const given = {
            int32: value,
            strings: value,
            counts: value,
            scalars: value,
            at: value,
            span: value,
            object: value,
            value,
            list: value,
            content: value,
          };
          survives(() => schemaOf<object>(type).encode(given));
          survives(() => schemaOf<object>(type).toJson(given));
        },
      ),
      { numRuns: 1_000 },
    ));
});

describe('a schema', () => {
  it('works where code generation from strings is forbidden', () => {
    const script = `
      import { schemaOf } from '${new URL('../../src/schema/schema.js', import.meta.url).href}';
      import { Choices } from '${new URL('./sample-messages.js', import.meta.url).href}';
      const { encode, decode, toJson, fromJson } = schemaOf(Choices);
      const message = decode(encode({ scalars: { int64: 5n, string: 'x' }, children: [{ email: 'a' }] }));
      process.stdout.write(JSON.stringify(toJson(fromJson(toJson(message)))));
      try { new Function('return 1'); } catch { process.stdout.write(' forbidden'); }
    `;
    const flags = ['--disallow-code-generation-from-strings', '--input-type=module', '-e', script];
    const { stdout, stderr } = spawnSync(process.execPath, flags);
    const expected = '{"scalars":{"int64":"5","string":"x"},"children":[{"email":"a"}]} forbidden';
    assert.equal(stdout.toString(), expected, stderr.toString());
  });

  it('has functions that can be taken apart from it', () => {
    const { encode } = schemaOf(Scalars);
    assert.equal(encode({ bool: true }).length, 2);
  });
});
