import { Writer } from 'protobufjs/minimal.js';
import type { ScalarName } from './field-type.js';
import {
  fieldsInOrder,
  fullNameOf,
  valuesInOrder,
  type ProtoFile,
  type ProtoMethod,
  type ProtoService,
} from './proto-file.js';
import { simpleName } from './proto-name.js';
import { shapeOf } from './resolve.js';
import type { EnumShape, FieldShape, MessageShape } from './shape.js';

// Messages of google/protobuf/descriptor.proto, by their numbers there. It is proto2: what is set is written, zeros too.

/** FieldDescriptorProto.Type. */
const TYPES: Readonly<Record<ScalarName, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const MESSAGE = 11;
const ENUM = 14;
/** FieldDescriptorProto.Label. */
const OPTIONAL = 1;
const REPEATED = 3;

/** One file of descriptors. */
export interface FileDescriptor {
  /** `greeter/v1.proto`. */
  readonly path: string;
  /** The paths of the files that it imports. */
  readonly imports: readonly string[];
  /** A `google.protobuf.FileDescriptorProto`. */
  readonly bytes: Uint8Array;
  /** The full names of all that is declared in it. */
  readonly symbols: readonly string[];
  /** Those of its messages. */
  readonly messages: readonly string[];
}

/** What a file says beside what it declares. */
export type WriteOptions = (to: Writer) => void;

/** A file as a descriptor, byte for byte as protoc writes it. */
export function describeFile(file: ProtoFile, options?: WriteOptions): FileDescriptor {
  const { path, package: pack, messages, enums, services } = file;
  const imports = [...file.imports].sort();
  const writer = new Writer();
  text(writer, 1, path);
  if (pack !== '') text(writer, 2, pack);
  for (const each of imports) text(writer, 3, each);
  for (const each of messages) within(writer, 4, (to) => writeMessage(to, each));
  for (const each of enums) within(writer, 5, (to) => writeEnum(to, each));
  for (const each of services) within(writer, 6, (to) => writeService(to, each));
  if (options !== undefined) within(writer, 8, options);
  text(writer, 12, 'proto3');
  return {
    path,
    imports,
    bytes: writer.finish(),
    symbols: symbolsOf(file),
    messages: messages.map(({ name }) => name),
  };
}

function writeMessage(to: Writer, shape: MessageShape): void {
  const { name, reserved } = shape;
  const fields = fieldsInOrder(shape);
  const oneofs = [...new Set(fields.flatMap(({ oneof }) => oneof ?? []))];
  const optionals = fields.filter(({ oneof, optional }) => optional && oneof === undefined);
  const synthetic = new Map<FieldShape, number>(optionals.map((field, at) => [field, oneofs.length + at]));
  text(to, 1, simpleName(name));
  for (const field of fields) {
    const oneof = field.oneof === undefined ? synthetic.get(field) : oneofs.indexOf(field.oneof);
    within(to, 2, (writer) => writeField(writer, field, name, oneof));
  }
  for (const field of fields) if (field.label === 'map') within(to, 3, (writer) => writeEntry(writer, field));
  for (const each of oneofs) within(to, 8, (writer) => text(writer, 1, each));
  const taken = new Set([...fields.map(({ protoName }) => protoName), ...oneofs]);
  for (const { protoName } of optionals)
    within(to, 8, (writer) => text(writer, 1, free(`_${protoName}`, taken)));
  for (const entry of reserved)
    if (typeof entry === 'number')
      within(to, 9, (writer) => {
        number(writer, 1, entry);
        number(writer, 2, entry + 1);
      });
  for (const entry of reserved) if (typeof entry === 'string') text(to, 10, entry);
}

/** As protoc names the oneof that proto3's `optional` stands for. */
function free(name: string, taken: Set<string>): string {
  let found = name;
  while (taken.has(found)) found = `X${found}`;
  taken.add(found);
  return found;
}

function writeField(to: Writer, field: FieldShape, owner: string, oneof: number | undefined): void {
  const { protoName, id, label, property, optional } = field;
  text(to, 1, protoName);
  number(to, 3, id);
  number(to, 4, label === 'single' ? OPTIONAL : REPEATED);
  if (label === 'map') {
    number(to, 5, MESSAGE);
    text(to, 6, `.${owner}.${entryName(field)}`);
  } else writeType(to, field);
  if (oneof !== undefined) number(to, 9, oneof);
  text(to, 10, property);
  if (optional && field.oneof === undefined) to.uint32(tag(17, 0)).bool(true);
}

function writeType(to: Writer, { value }: FieldShape): void {
  if (value.kind === 'scalar') return number(to, 5, TYPES[value.name]);
  number(to, 5, value.kind === 'enum' || value.kind === 'null' ? ENUM : MESSAGE);
  text(to, 6, `.${fullNameOf(value)}`);
}

/** The message that stands for one pair of a map. */
function writeEntry(to: Writer, field: FieldShape): void {
  text(to, 1, entryName(field));
  within(to, 2, (writer) => {
    text(writer, 1, 'key');
    number(writer, 3, 1);
    number(writer, 4, OPTIONAL);
    // A map has keys.
    number(writer, 5, TYPES[field.key ?? 'string']);
    text(writer, 10, 'key');
  });
  within(to, 2, (writer) => {
    text(writer, 1, 'value');
    number(writer, 3, 2);
    number(writer, 4, OPTIONAL);
    writeType(writer, field);
    text(writer, 10, 'value');
  });
  // MessageOptions.map_entry
  within(to, 7, (writer) => writer.uint32(tag(7, 0)).bool(true));
}

/** `fooBar` and `foo_bar` have `FooBarEntry`, as protoc names it. */
function entryName({ protoName }: FieldShape): string {
  const camel = protoName.replaceAll(/_+([a-zA-Z0-9]|$)/g, (_, letter: string) => letter.toUpperCase());
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
}

function writeEnum(to: Writer, shape: EnumShape): void {
  text(to, 1, simpleName(shape.name));
  for (const [name, value] of valuesInOrder(shape))
    within(to, 2, (writer) => {
      text(writer, 1, name);
      number(writer, 2, value);
    });
  // EnumOptions.allow_alias
  if (shape.names.size < shape.numbers.size) within(to, 3, (writer) => writer.uint32(tag(2, 0)).bool(true));
}

function writeService(to: Writer, { name, methods }: ProtoService): void {
  text(to, 1, simpleName(name));
  for (const method of methods) within(to, 2, (writer) => writeMethod(writer, method));
}

function writeMethod(to: Writer, { name, request, reply, kind }: ProtoMethod): void {
  text(to, 1, name);
  text(to, 2, `.${shapeOf(request).name}`);
  text(to, 3, `.${shapeOf(reply).name}`);
  if (kind === 'client' || kind === 'bidi') to.uint32(tag(5, 0)).bool(true);
  if (kind === 'server' || kind === 'bidi') to.uint32(tag(6, 0)).bool(true);
}

/** Values of enums are beside their enum, as in C. */
function symbolsOf({ package: pack, messages, enums, services }: ProtoFile): string[] {
  const inPackage = (name: string): string => (pack === '' ? name : `${pack}.${name}`);
  return [
    ...messages.flatMap(({ name, fields }) => [
      name,
      ...fields.map(({ protoName }) => `${name}.${protoName}`),
      ...fields.filter(({ label }) => label === 'map').map((field) => `${name}.${entryName(field)}`),
      ...new Set(fields.flatMap(({ oneof }) => (oneof === undefined ? [] : `${name}.${oneof}`))),
    ]),
    ...[...enums].flatMap(({ name, numbers }) => [name, ...[...numbers.keys()].map(inPackage)]),
    ...services.flatMap(({ name, methods }) => [name, ...methods.map((method) => `${name}.${method.name}`)]),
  ];
}

/** Writes a message that is a field. */
export function within(to: Writer, id: number, write: (to: Writer) => void): void {
  write(to.uint32(tag(id)).fork());
  to.ldelim();
}

export function text(to: Writer, id: number, value: string): void {
  to.uint32(tag(id)).string(value);
}

function number(to: Writer, id: number, value: number): void {
  to.uint32(tag(id, 0)).int32(value);
}

export function tag(id: number, wire = 2): number {
  return (id << 3) | wire;
}
