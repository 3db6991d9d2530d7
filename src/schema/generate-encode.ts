import { MAX_DEPTH } from './fault.js';
import { GeneratedSource, literal } from './generated-source.js';
import { entriesOf, messageOf } from './given.js';
import type { ScalarName } from './field-type.js';
import { scalars, tagOf } from './scalar.js';
import type { WireType } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';
import type { MessageWriter } from './slab.js';
import { wellKnown } from './well-known.js';
import { wireOf } from './wire-type.js';
import {
  writeFixed64,
  writeInt32,
  writeInt64,
  writeSfixed64,
  writeSint64,
  writeUint64,
} from './write-long.js';
import {
  UNWRITTEN,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFloat,
  writeKnown,
  writeLength,
  writeText,
  writeVarint32,
} from './write-value.js';

/** What the generated functions call, by these names. */
const GIVEN = {
  UNWRITTEN,
  entriesOf,
  messageOf,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeFloat,
  writeInt32,
  writeInt64,
  writeKnown,
  writeLength,
  writeSfixed64,
  writeSint64,
  writeText,
  writeUint64,
  writeVarint32,
};

/** What writes the messages of one class; `write` is looked up at each call, as it may not be generated yet. */
export interface Writing {
  readonly write: MessageWriter;
}

/**
 * Generates the function that writes messages of one class, field by field, as the encoder of closures does.
 *
 * It throws for whatever is wrong, without a word about what that is. Throws an `EvalError` where code generation is forbidden.
 */
export function generateEncode(
  shape: MessageShape,
  writingOf: (shape: MessageShape) => Writing,
): MessageWriter {
  const source = new GeneratedSource();
  for (const [name, value] of Object.entries(GIVEN)) source.give(name, value);
  source.give('Type', shape.type);
  source.line(`if (depth > ${MAX_DEPTH}) throw UNWRITTEN;`);
  source.block("if (typeof message !== 'object' || message === null || !(message instanceof Type))", () =>
    source.line('messageOf(message, Type);'),
  );
  source.line('let value, start, entry;');
  for (const field of shape.fields) new FieldSource(source, shape, field, writingOf).add();
  source.line('return pos;');
  // What was generated has these parameters and gives a position.
  return source.compile('encode', shape.name, 'buffer, pos, message, depth') as MessageWriter;
}

/** Adds the statements for one field. */
class FieldSource {
  readonly #source: GeneratedSource;
  readonly #field: FieldShape;
  readonly #rivals: readonly FieldShape[];
  readonly #wire: WireType;
  readonly #write: (value: string) => void;

  constructor(
    source: GeneratedSource,
    shape: MessageShape,
    field: FieldShape,
    writingOf: (shape: MessageShape) => Writing,
  ) {
    this.#source = source;
    this.#field = field;
    this.#rivals = rivalsOf(shape, field);
    this.#wire = wireOf(field.value);
    this.#write = valueSource(source, field, writingOf);
  }

  add(): void {
    const { label, presence, property, value } = this.#field;
    this.#source.line(`value = message[${literal(property)}];`);
    if (label === 'map') this.#source.block('if (value !== undefined && value !== null)', () => this.#map());
    else if (label === 'repeated')
      this.#source.block('if (value !== undefined && value !== null)', () => this.#list());
    else {
      const set = presence
        ? isSet('value', this.#field)
        : `value !== undefined && value !== null && ${notZero(value)}`;
      this.#source.block(`if (${set})`, () => this.#single());
    }
  }

  #single(): void {
    for (const rival of this.#rivals)
      this.#source.line(`if (${isSet(`message[${literal(rival.property)}]`, rival)}) throw UNWRITTEN;`);
    this.#tag(tagOf(this.#field.id, this.#wire));
    this.#write('value');
  }

  #list(): void {
    const source = this.#source;
    source.line('if (!Array.isArray(value)) throw UNWRITTEN;');
    source.line('const items = value;');
    const packed = this.#wire !== 2;
    const add = (): void => {
      if (packed) {
        this.#tag(tagOf(this.#field.id, 2));
        source.line('const first = pos++;');
      }
      source.block('for (let at = 0; at < items.length; at++)', () => {
        source.line('value = items[at];');
        if (!packed) this.#tag(tagOf(this.#field.id, this.#wire));
        this.#write('value');
      });
      if (packed) source.line('pos = writeLength(buffer, first, pos);');
    };
    if (packed) source.block('if (items.length > 0)', add);
    else add();
  }

  #map(): void {
    const source = this.#source;
    const { id, key = 'string' } = this.#field;
    source.block(`for (const [name, item] of entriesOf(value, ${literal(key)}))`, () => {
      this.#tag(tagOf(id, 2));
      source.line('entry = pos++;');
      this.#tag(tagOf(1, scalars[key].wire));
      writeScalar(source, key, 'name');
      this.#tag(tagOf(2, this.#wire));
      this.#write('item');
      source.line('pos = writeLength(buffer, entry, pos);');
    });
  }

  #tag(tag: number): void {
    const bytes: number[] = [];
    let rest = tag;
    for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
    this.#source.line([...bytes, rest].map((byte) => `buffer[pos++] = ${byte};`).join(' '));
  }
}

function isSet(value: string, { nullable }: FieldShape): string {
  return nullable ? `${value} !== undefined` : `${value} !== undefined && ${value} !== null`;
}

function notZero(value: ValueShape): string {
  // Nothing but null, which is absence here, is a zero of NullValue.
  if (value.kind !== 'scalar') return value.kind === 'enum' ? 'value !== 0' : 'true';
  switch (value.name) {
    case 'double':
    case 'float':
      return '!Object.is(value, 0)';
    case 'string':
      return "value !== ''";
    case 'bytes':
      return '!(value instanceof Uint8Array && value.length === 0)';
    case 'bool':
      return 'value !== false';
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return 'value !== 0n && value !== 0';
    default:
      return 'value !== 0';
  }
}

/** What adds the statements that check and write one value, with a length where its type has one. */
function valueSource(
  source: GeneratedSource,
  { value: shape, id }: FieldShape,
  writingOf: (shape: MessageShape) => Writing,
): (value: string) => void {
  switch (shape.kind) {
    case 'scalar':
      return (value) => writeScalar(source, shape.name, value);
    case 'enum':
      return (value) => writeScalar(source, 'int32', value);
    case 'message': {
      const inner = source.give(`message${id}`, writingOf(shape.message));
      return (value) =>
        source.line(
          'start = pos;',
          `pos = writeLength(buffer, start, ${inner}.write(buffer, pos + 1, ${value}, depth + 1));`,
        );
    }
    case 'wellKnown': {
      const known = source.give(`known${id}`, wellKnown[shape.name].write);
      return (value) => source.line(`pos = writeKnown(buffer, pos, ${known}, ${value}, depth + 1);`);
    }
    case 'null':
      return (value) => source.line(`if (${value} !== null) throw UNWRITTEN;`, 'buffer[pos++] = 0;');
  }
}

function writeScalar(source: GeneratedSource, name: ScalarName, value: string): void {
  const check = CHECKS[name]?.(value);
  if (check !== undefined) source.line(`if (typeof ${value} !== ${check}) throw UNWRITTEN;`);
  source.line(WRITES[name](value));
}

const int32Check = (value: string): string => `'number' || ${value} !== (${value} | 0)`;
const uint32Check = (value: string): string => `'number' || ${value} !== ${value} >>> 0`;

/** How a value's type is asked for, where what writes it does not. */
const CHECKS: Readonly<Partial<Record<ScalarName, (value: string) => string>>> = {
  int32: int32Check,
  sint32: int32Check,
  sfixed32: int32Check,
  uint32: uint32Check,
  fixed32: uint32Check,
  bool: () => "'boolean'",
};

const WRITES: Readonly<Record<ScalarName, (value: string) => string>> = {
  double: (value) => `pos = writeDouble(buffer, pos, ${value});`,
  float: (value) => `pos = writeFloat(buffer, pos, ${value});`,
  int32: (value) => `pos = writeInt32(buffer, pos, ${value});`,
  int64: (value) => `pos = writeInt64(buffer, pos, ${value});`,
  uint32: (value) => `pos = writeVarint32(buffer, pos, ${value});`,
  uint64: (value) => `pos = writeUint64(buffer, pos, ${value});`,
  sint32: (value) => `pos = writeVarint32(buffer, pos, ((${value} << 1) ^ (${value} >> 31)) >>> 0);`,
  sint64: (value) => `pos = writeSint64(buffer, pos, ${value});`,
  fixed32: (value) => `pos = writeFixed32(buffer, pos, ${value});`,
  fixed64: (value) => `pos = writeFixed64(buffer, pos, ${value});`,
  sfixed32: (value) => `pos = writeFixed32(buffer, pos, ${value});`,
  sfixed64: (value) => `pos = writeSfixed64(buffer, pos, ${value});`,
  bool: (value) => `buffer[pos++] = ${value} ? 1 : 0;`,
  string: (value) => `pos = writeText(buffer, pos, ${value});`,
  bytes: (value) => `pos = writeBytes(buffer, pos, ${value});`,
};
