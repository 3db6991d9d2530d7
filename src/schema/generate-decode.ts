import { Reader } from 'protobufjs/minimal.js';

import type { Budget } from './budget.js';
import { costOf, weightOf } from './budget.js';
import type { ScalarName } from './field-type.js';
import { GeneratedSource, literal } from './generated-source.js';
import { setEntry } from './map-entry.js';
import { readTime } from './quick-timestamp.js';
import { enterAt, readKnown } from './read-value.js';
import { SCALAR_READERS, readScalar } from './scalar-decode-source.js';
import { scalars, tagOf } from './scalar.js';
import { rivalsOf } from './shape.js';
import type { FieldShape, MessageShape, WellKnownMessage } from './shape.js';
import { wellKnown } from './well-known.js';
import { wireOf } from './wire-type.js';
import { skipField } from './wire-read.js';

/** What the generated functions call, by these names. */
const GIVEN = { ...SCALAR_READERS, Reader, enterAt, readKnown, readTime, setEntry, skipField };

/** Reads the fields of a message up to `reader.len`, into the message. */
export type MessageReader = (reader: Reader, message: object, budget: Budget) => void;

/** What reads the messages of one class; `read` is looked up at each call, as it may not be generated yet. */
export interface Reading {
  readonly read: MessageReader;
}

/**
 * Generates the function that reads messages of one class, as the decoder of closures does.
 *
 * It throws for whatever is wrong, without a word about what that is. Throws an `EvalError` where code generation is forbidden.
 */
export function generateDecode(
  shape: MessageShape,
  readingOf: (shape: MessageShape) => Reading,
): MessageReader {
  const source = new GeneratedSource();
  for (const [name, value] of Object.entries(GIVEN)) source.give(name, value);
  source.line('const buffer = reader.buf;', 'const end = reader.len;', 'let pos = reader.pos;');
  source.block('while (pos < end)', () => {
    readTag(source, 'tag');
    source.block('switch (tag)', () => {
      for (const field of shape.fields) new FieldSource(source, shape, field, readingOf).add();
      source.line('default:', '  reader.pos = pos;', '  skipField(reader, tag);', '  pos = reader.pos;');
    });
  });
  source.line('reader.pos = pos;');
  // What was generated has these parameters.
  return source.compile('decode', shape.name, 'reader, message, budget') as MessageReader;
}

function readTag(source: GeneratedSource, name: string): void {
  source.line(`let ${name} = buffer[pos++];`);
  source.block(`if (${name} > 127)`, () =>
    source.line('reader.pos = pos - 1;', `${name} = reader.tag();`, 'pos = reader.pos;'),
  );
}

/** How one value is read. */
interface ValueSource {
  /** Adds statements that read the value, up to `end` at most, and assign it to `target`. `before` is what messages are merged into. */
  readonly read: (target: string, end: string, before: string) => void;
  /** The value of an entry of a map that has none. */
  readonly zero: string;
}

/** Adds the cases for one field. */
class FieldSource {
  readonly #source: GeneratedSource;
  readonly #field: FieldShape;
  readonly #rivals: readonly FieldShape[];
  readonly #value: ValueSource;
  readonly #member: string;

  constructor(
    source: GeneratedSource,
    shape: MessageShape,
    field: FieldShape,
    readingOf: (shape: MessageShape) => Reading,
  ) {
    this.#source = source;
    this.#field = field;
    this.#rivals = rivalsOf(shape, field);
    this.#value = valueSource(source, field, readingOf);
    this.#member = `message[${literal(field.property)}]`;
  }

  add(): void {
    const { label, value } = this.#field;
    const wire = wireOf(value);
    if (label === 'map') this.#case(2, () => this.#map());
    else if (label === 'single') this.#case(wire, () => this.#single());
    else {
      this.#case(wire, () => this.#item());
      if (wire !== 2) this.#case(2, () => this.#packed());
    }
  }

  #case(wire: ReturnType<typeof wireOf>, body: () => void): void {
    this.#source.block(`case ${tagOf(this.#field.id, wire)}:`, () => {
      body();
      this.#source.line('break;');
    });
  }

  #single(): void {
    for (const { property } of this.#rivals) {
      const rival = `message[${literal(property)}]`;
      this.#source.line(`if (${rival} !== undefined) ${rival} = undefined;`);
    }
    this.#value.read(this.#member, 'end', this.#member);
  }

  #item(): void {
    this.#source.line(`budget.take(${costOf(this.#field.value)});`, 'let item;');
    this.#value.read('item', 'end', 'undefined');
    this.#source.line(`${this.#member}.push(item);`);
  }

  #packed(): void {
    const source = this.#source;
    source.line(`const items = ${this.#member};`, 'const last = enterAt(reader, pos);', 'pos = reader.pos;');
    source.block('while (pos < last)', () => {
      source.line('budget.take(1);', 'let item;');
      this.#value.read('item', 'last', 'undefined');
      source.line('items.push(item);');
    });
    source.line('reader.len = end;');
  }

  #map(): void {
    const source = this.#source;
    const { key = 'string', value } = this.#field;
    source.line('const last = enterAt(reader, pos);', 'pos = reader.pos;');
    source.line(`budget.take(${costOf(value)});`, `let name = ${scalars[key].written};`, 'let item;');
    source.block('while (pos < last)', () => {
      readTag(source, 'part');
      source.block(`if (part === ${tagOf(1, scalars[key].wire)})`, () =>
        readScalar(source, key, 'name', 'last'),
      );
      source.block(`else if (part === ${tagOf(2, wireOf(value))})`, () =>
        this.#value.read('item', 'last', 'item'),
      );
      source.block('else', () =>
        source.line('reader.pos = pos;', 'skipField(reader, part);', 'pos = reader.pos;'),
      );
    });
    source.line(`setEntry(${this.#member}, name, item ?? ${this.#value.zero});`, 'reader.len = end;');
  }
}

function valueSource(
  source: GeneratedSource,
  { value: shape, id }: FieldShape,
  readingOf: (shape: MessageShape) => Reading,
): ValueSource {
  switch (shape.kind) {
    case 'scalar':
      return scalarSource(source, shape.name);
    case 'enum':
      return scalarSource(source, 'int32');
    case 'message':
      return messageSource(source, id, shape.message, readingOf(shape.message));
    case 'wellKnown':
      return knownSource(source, shape.name, source.give(`known${id}`, wellKnown[shape.name].read));
    case 'null':
      return {
        zero: 'null',
        read: (target) =>
          source.line('reader.pos = pos;', 'reader.int32();', 'pos = reader.pos;', `${target} = null;`),
      };
  }
}

function scalarSource(source: GeneratedSource, name: ScalarName): ValueSource {
  return { zero: scalars[name].written, read: (target, end) => readScalar(source, name, target, end) };
}

function messageSource(
  source: GeneratedSource,
  id: number,
  shape: MessageShape,
  reading: Reading,
): ValueSource {
  const inner = source.give(`message${id}`, reading);
  const type = source.give(`Type${id}`, shape.type);
  const weight = weightOf(shape);
  return {
    zero: `(budget.take(${weight}), new ${type}())`,
    read(target, end, before) {
      source.line('enterAt(reader, pos);', `budget.enter(${weight});`);
      source.line(
        before === 'undefined' ? `const inner = new ${type}();` : `const inner = ${before} ?? new ${type}();`,
        `${inner}.read(reader, inner, budget);`,
      );
      source.line('budget.leave();', 'pos = reader.pos;', `reader.len = ${end};`, `${target} = inner;`);
    },
  };
}

function knownSource(source: GeneratedSource, name: WellKnownMessage, known: string): ValueSource {
  const call = (before: string): string =>
    name === 'google.protobuf.Timestamp'
      ? `readTime(reader, pos, ${before}, budget)`
      : `readKnown(reader, pos, ${known}, ${before}, budget)`;
  return {
    zero: `${known}(new Reader(new Uint8Array()), undefined, budget)`,
    read: (target, _end, before) => source.line(`${target} = ${call(before)};`, 'pos = reader.pos;'),
  };
}
