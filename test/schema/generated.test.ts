import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { Field } from '../../decorators/field.js';
import { Message } from '../../decorators/message.js';
import { refusal } from '../../src/schema/fault.js';
import { shapeOf } from '../../src/schema/resolve.js';
import { schemaOf } from '../../src/schema/schema.js';
import type { FieldShape, MessageShape } from '../../src/schema/shape.js';
import { decoderOf } from '../../src/schema/wire-decode.js';
import { encoderOf } from '../../src/schema/wire-encode.js';
import { damaged } from '../fuzz/damage.js';
import { instances } from '../fuzz/messages.js';
import { decodeGenerated, encodeGenerated } from './generated-only.js';
import { toHex } from './refused.js';
import { Choices, Scalars, samples } from './sample-messages.js';

/** What came of something: its result, or what a schema's user is told. */
function outcome(name: string, work: () => unknown): unknown {
  try {
    return work();
  } catch (reason) {
    const told = refusal(name, reason);
    assert.ok(told instanceof Error);
    return `refused: ${told.message}`;
  }
}

/** Whether generated code did it by itself. */
function managed(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

describe('generated code', () => {
  for (const type of samples) {
    const shape = shapeOf(type);
    const { name } = shape;
    const messages = instances<object>(type);
    const words = [
      Buffer.alloc(11, 0xff),
      Buffer.from('0b', 'hex'),
      Buffer.from('c328', 'hex'),
      Buffer.from('ffffffffffffffffff01', 'hex'),
    ];

    it(`writes the bytes of ${name} that closures write`, () =>
      fc.assert(
        fc.property(messages, (message) => {
          const expected = toHex(encoderOf(shape).encode(message));
          assert.equal(toHex(encodeGenerated(shape, message)), expected);
          assert.equal(toHex(schemaOf<object>(type).encode(message)), expected);
          assert.equal(toHex(encodeGenerated(shape, { ...message })), expected);
        }),
        { numRuns: 100 },
      ));

    it(`reads what closures read of ${name}, and nothing else`, () =>
      fc.assert(
        fc.property(
          damaged(
            messages.map((message) => encoderOf(shape).encode(message)),
            words,
          ),
          (bytes) => {
            const expected = outcome(name, () => decoderOf(shape).decode(bytes));
            const refused = typeof expected === 'string';
            assert.equal(
              managed(() => assert.deepEqual(decodeGenerated(shape, bytes), expected)),
              !refused,
            );
            const plain = new Uint8Array(bytes);
            assert.deepEqual(
              outcome(name, () => schemaOf<object>(type).decode(plain)),
              expected,
            );
          },
        ),
        { numRuns: 500 },
      ));

    it(`refuses what closures refuse in ${name}`, () =>
      fc.assert(
        fc.property(junk(shape, messages), (value) => {
          const expected = outcome(name, () => toHex(encoderOf(shape).encode(value)));
          const refused = String(expected).startsWith('refused');
          assert.equal(
            managed(() => assert.equal(toHex(encodeGenerated(shape, value)), expected)),
            !refused,
          );
          assert.equal(
            outcome(name, () => toHex(schemaOf<object>(type).encode(value as object))),
            expected,
          );
        }),
        { numRuns: 400 },
      ));
  }
});

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    0,
    -0,
    1,
    -1,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    1e300,
    0.5,
    Number.NaN,
    Infinity,
  ),
  fc.constantFrom<unknown>(0n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 64n - 1n, 2n ** 64n, -1n),
  fc.constantFrom<unknown>(
    '',
    'a',
    '\ud800',
    'ä'.repeat(40),
    '\udfff'.repeat(40),
    true,
    false,
    Symbol.iterator,
  ),
  fc.constantFrom<unknown>(
    [],
    [undefined],
    [null],
    {},
    new Map(),
    new Map([[1, 1]]),
    new Date(0),
    new Date(Number.NaN),
  ),
  fc.constantFrom<unknown>(new Uint8Array(2), new Scalars(), new Choices(), () => 1, Object.create(null)),
  fc.anything({ withBigInt: true, withMap: true, withDate: true, maxDepth: 2 }),
);

/** Messages in which up to two members have a value that may not fit; or no message at all. */
function junk(shape: MessageShape, messages: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  const names = shape.fields.map(({ property }) => property);
  const wrong = fc.dictionary(fc.constantFrom(...names), fc.oneof(odd, fc.array(odd, { maxLength: 2 })), {
    maxKeys: 2,
  });
  return fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(messages, wrong, fc.boolean())
        .map(([message, members, plain]) =>
          plain ? { ...message, ...members } : Object.assign(message, members),
        ),
    },
    odd,
  );
}

/** A shape with names that no decorator lets through. */
function shapeNamed(name: string, property: string, rival: string): MessageShape {
  class Hostile {}
  const field = (id: number, member: string, more: Partial<FieldShape>): FieldShape => ({
    property: member,
    protoName: member,
    id,
    label: 'single',
    value: { kind: 'scalar', name: 'string' },
    key: undefined,
    presence: true,
    optional: false,
    nullable: false,
    oneof: property,
    ...more,
  });
  const fields = [
    field(1, property, {}),
    field(2, rival, {}),
    field(3, `${property}!`, { presence: false, oneof: undefined }),
  ];
  return { name, type: Hostile, fields, reserved: [] };
}

describe('names of messages and fields', () => {
  const hostile = [
    '"]; globalThis.hostile = 1; message["',
    "'; globalThis.hostile = 1; '",
    '`${globalThis.hostile = 1}`',
    '*/ globalThis.hostile = 1; /*',
    '\n globalThis.hostile = 1; \n//',
    '\u2028 globalThis.hostile = 1; \u2029',
    '\\"]; globalThis.hostile = 1; //',
    '});globalThis.hostile=1;(function(){',
    'constructor',
    'class',
    '',
  ];
  const name = fc.oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary' }));

  it('are never code, whatever is in them', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { minLength: 3, maxLength: 3 }),
        ([type = '', first = '', second = '']) => {
          // What every object has is set in every message.
          fc.pre(!(first in {}) && !(second in {}));
          const shape = shapeNamed(type, first, second);
          const message = Object.assign(new shape.type(), { [first]: 'one', [`${first}!`]: 'two' });
          const bytes = encodeGenerated(shape, message);
          assert.equal(toHex(bytes), '0a036f6e65' + '1a0374776f');
          assert.deepEqual(Object.entries(decodeGenerated(shape, bytes)), Object.entries(message));
          assert.equal('hostile' in globalThis, false);
        },
      ),
      { numRuns: 500 },
    ));

  it('show in stack traces', () => {
    class Watched {
      get string(): string {
        throw new Error('looked at');
      }
    }
    let stack: string | undefined = '';
    try {
      encodeGenerated(shapeOf(Scalars), new Watched());
    } catch (reason) {
      ({ stack } = reason as Error);
    }
    assert.match(
      stack ?? '',
      /at .*encode_sample_Scalars \(octavo:\/\/\/schema\/encode_sample_Scalars\.js:\d+/,
    );
  });
});

@Message('generated.Text')
class Text {
  @Field(1, 'string') text = '';
  @Field(2, Text) inner?: Text;
}

describe('encoded messages', () => {
  const { encode, decode } = schemaOf(Text);

  it('can be kept: what comes later does not touch them', () => {
    const kept: [bytes: Uint8Array, text: string][] = [];
    for (let n = 0; n < 2_500; n++) {
      // Of all sizes, larger than the buffer they are cut from among them.
      const text = String(n).repeat(n % 500 === 499 ? 30_000 : n % 40);
      kept.push([encode({ text, inner: { text } }), text]);
    }
    for (const [bytes, text] of kept) {
      const message = decode(bytes);
      assert.equal(message.text, text);
      assert.equal(message.inner?.text, text);
    }
  });

  it('do not keep much more memory than they need', () => {
    for (const length of [10_000, 40_000, 1_000_000, 10, 100_000, 70_000, 70_000, 3]) {
      const bytes = encode({ text: 'x'.repeat(length) });
      const held = bytes.buffer.byteLength;
      assert.ok(held <= Math.max(64 * 1_024, bytes.length * 1.5), `${held} bytes for ${bytes.length}`);
    }
  });

  it('may be encoded while another one is', () => {
    const within = { text: 'inside' };
    const outer = {
      get text(): string {
        return toHex(encode(within));
      },
      inner: { text: 'behind' },
    };
    const message = decode(encode(outer));
    assert.equal(decode(Buffer.from(message.text, 'hex')).text, 'inside');
    assert.equal(message.inner?.text, 'behind');
  });

  it('may grow while they are encoded', () => {
    let length = 1;
    const growing = {
      get text(): string {
        length = (length * 7) % 200_003;
        return 'x'.repeat(length);
      },
    };
    for (let n = 0; n < 200; n++) assert.match(decode(encode(growing)).text, /^x+$/);
  });

  it('cannot be taken to another thread together with their neighbours', () => {
    const bytes = encode({ text: 'mine' });
    const other = encode({ text: 'yours' });
    // What cannot be transferred is refused, and where Node only copies it, nothing is lost either.
    try {
      structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
    } catch (reason) {
      assert.ok(reason instanceof DOMException);
    }
    assert.equal(decode(other).text, 'yours');
  });
});

describe('where code generation is forbidden', () => {
  it('the bytes and the errors are the same', () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const script = `
      import { report } from '${new URL('./generated-report.js', import.meta.url).href}';
      process.stdout.write(JSON.stringify(report(${seed})));
    `;
    const run = (...flags: string[]): string[] => {
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [...flags, '--input-type=module', '-e', script],
        { maxBuffer: 2 ** 26 },
      );
      assert.notEqual(stdout.toString(), '', stderr.toString());
      return JSON.parse(stdout.toString()) as string[];
    };
    const [how, ...allowed] = run();
    const [otherwise, ...forbidden] = run('--disallow-code-generation-from-strings');
    assert.deepEqual([how, otherwise], ['generated', 'closures']);
    assert.ok(allowed.length > 1_000);
    assert.deepEqual(forbidden, allowed);
  });
});
