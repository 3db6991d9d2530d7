import { MAX_DEPTH } from './fault.js';
import { GeneratedSource, literal } from './generated-source.js';
import { entriesOf, messageOf } from './given.js';
import { writeTime } from './quick-timestamp.js';
import { SCALAR_WRITERS, notZeroScalar, writeScalar } from './scalar-encode-source.js';
import { scalars, tagOf } from './scalar.js';
import type { WireType } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';
import type { MessageWriter } from './slab.js';
import { wellKnown } from './well-known.js';
import { wireOf } from './wire-type.js';
import { UNWRITTEN, writeKnown, writeLength } from './write-value.js';

/** What the generated functions call, by these names. */
const GIVEN = { ...SCALAR_WRITERS, UNWRITTEN, entriesOf, messageOf, writeKnown, writeLength, writeTime };

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
  if (value.kind === 'scalar') return notZeroScalar(value.name, 'value');
  // Nothing but null, which is absence here, is a zero of NullValue.
  return value.kind === 'enum' ? 'value !== 0' : 'true';
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
      if (shape.name === 'google.protobuf.Timestamp')
        return (value) => source.line(`pos = writeTime(buffer, pos, ${value}, depth + 1);`);
      const known = source.give(`known${id}`, wellKnown[shape.name].write);
      return (value) => source.line(`pos = writeKnown(buffer, pos, ${known}, ${value}, depth + 1);`);
    }
    case 'null':
      return (value) => source.line(`if (${value} !== null) throw UNWRITTEN;`, 'buffer[pos++] = 0;');
  }
}
