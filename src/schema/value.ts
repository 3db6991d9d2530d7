import type { ScalarName } from './field-type.js';
import type { MessageType } from './message-type.js';
import { simpleName } from './proto-name.js';
import { shapeOf } from './resolve.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';

/** A type as the registry shows it: go-micro's form, with Go's names of types. It informs people, and nothing checks it. */
export interface Value {
  readonly name: string;
  readonly type: string;
  readonly values: readonly Value[];
}

// go-micro's: deeper messages are left out, which also ends recursion.
const MAX_DEPTH = 3;

/** The registry's description of a message, its fields and theirs. Source: go-micro v4.11, registry/extractor. */
export function schemaValue(type: MessageType): Value {
  const shape = shapeOf(type);
  return { name: simpleName(shape.name), type: simpleName(shape.name), values: membersOf(shape, 1) };
}

function membersOf({ fields }: MessageShape, depth: number): readonly Value[] {
  return depth === MAX_DEPTH ? [] : fields.map((field) => memberOf(field, depth));
}

function memberOf({ property, label, value }: FieldShape, depth: number): Value {
  // Go's maps have no name, and go-micro does not look into lists.
  if (label === 'map') return { name: property, type: '', values: [] };
  if (label === 'repeated') return { name: property, type: `[]${goType(value)}`, values: [] };
  const values = value.kind === 'message' ? membersOf(value.message, depth + 1) : [];
  return { name: property, type: goType(value), values };
}

function goType(value: ValueShape): string {
  switch (value.kind) {
    case 'scalar':
      return GO_TYPES[value.name];
    case 'message':
      return simpleName(value.message.name);
    case 'enum':
      return simpleName(value.enum.name);
    case 'wellKnown':
    case 'null':
      return simpleName(value.name);
  }
}

const GO_TYPES: Readonly<Record<ScalarName, string>> = {
  double: 'float64',
  float: 'float32',
  int32: 'int32',
  int64: 'int64',
  uint32: 'uint32',
  uint64: 'uint64',
  sint32: 'int32',
  sint64: 'int64',
  fixed32: 'uint32',
  fixed64: 'uint64',
  sfixed32: 'int32',
  sfixed64: 'int64',
  bool: 'bool',
  string: 'string',
  bytes: '[]uint8',
};
