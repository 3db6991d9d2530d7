import { AnyOf } from './any-of.js';
import { declarationOf, declareMessage } from './declaration.js';
import type { FieldDeclaration } from './declaration.js';
import { Empty } from './empty.js';
import { enumShapeOf } from './enum-shape.js';
import { unfit } from './fault.js';
import type { FieldType } from './field-type.js';
import type { MessageType } from './message-type.js';
import { snakeCase } from './proto-name.js';
import { isScalar } from './scalar.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';
import {
  checkFields,
  checkInitialValues,
  checkMapKey,
  checkMessageName,
  checkNames,
} from './shape-checks.js';
import { isWellKnown } from './well-known.js';

declareMessage(Empty, 'google.protobuf.Empty', []);

interface Draft extends MessageShape {
  readonly fields: FieldShape[];
}

type Drafts = Map<object, Draft>;

const shapes = new WeakMap<object, MessageShape>();

/** The shape of a class; made, with all it refers to, at the first call. Throws `failed_precondition`. */
export function shapeOf(type: MessageType): MessageShape {
  const known = shapes.get(type);
  if (known !== undefined) return known;
  // Nothing is kept until all of it is sound: a half-made shape would fail strangely the next time.
  const drafts: Drafts = new Map();
  const shape = resolveMessage(type, drafts);
  checkNames(shape);
  for (const draft of drafts.values()) shapes.set(draft.type, draft);
  return shape;
}

function resolveMessage(type: MessageType, drafts: Drafts): MessageShape {
  const known = shapes.get(type) ?? drafts.get(type);
  if (known !== undefined) return known;
  const message = declarationOf(type)?.message;
  if (message === undefined)
    throw unfit(`class ${type.name}`, `it is no message; put @Message('package.${type.name}') on it`);
  checkMessageName(type, message.name);
  const draft: Draft = { name: message.name, type, fields: [], reserved: message.reserved };
  drafts.set(type, draft);
  const { fields, oneofs } = inherited(type);
  for (const field of fields)
    draft.fields.push(resolveField(draft, field, oneofs.get(field.property), drafts));
  for (const property of oneofs.keys())
    if (!fields.some((field) => field.property === property))
      throw unfit(`${draft.name}.${property}`, 'it has @OneOf and no @Field; add the @Field');
  draft.fields.sort((a, b) => a.id - b.id);
  checkFields(draft);
  checkInitialValues(draft);
  return draft;
}

/** The declarations of a class and its bases. A class that declares a property anew replaces what its base says. */
function inherited(type: MessageType): { fields: FieldDeclaration[]; oneofs: Map<string, string> } {
  let fields: FieldDeclaration[] = [];
  const oneofs = new Map<string, string>();
  for (const link of lineage(type)) {
    const own = declarationOf(link);
    if (own === undefined) continue;
    const redeclared = new Set(own.fields.map(({ property }) => property));
    for (const property of redeclared) oneofs.delete(property);
    fields = [...fields.filter(({ property }) => !redeclared.has(property)), ...own.fields];
    for (const [property, oneof] of own.oneofs) oneofs.set(property, oneof);
  }
  return { fields, oneofs };
}

/** The class and its bases, the first base first. */
function lineage(type: MessageType): object[] {
  const links: object[] = [];
  for (let at: unknown = type; typeof at === 'function'; at = Object.getPrototypeOf(at)) links.unshift(at);
  return links;
}

function resolveField(
  message: MessageShape,
  { property, id, label, type, key, optional }: FieldDeclaration,
  oneof: string | undefined,
  drafts: Drafts,
): FieldShape {
  const where = `${message.name}.${property}`;
  const value = resolveValue(type, where, drafts);
  if (label === 'map') checkMapKey(key, where);
  const isMessage = value.kind === 'message' || value.kind === 'wellKnown';
  const nullable = label === 'single' && takesNull(value);
  const presence = label === 'single' && (optional || oneof !== undefined || isMessage);
  if (oneof !== undefined && label !== 'single')
    throw unfit(
      where,
      `a ${label} field cannot be in a oneof; put it into a message and that into the oneof`,
    );
  return {
    property,
    protoName: snakeCase(property),
    id,
    label,
    value,
    key,
    presence,
    optional,
    nullable,
    oneof,
  };
}

function takesNull(value: ValueShape): boolean {
  return value.kind === 'null' || (value.kind === 'wellKnown' && value.name === 'google.protobuf.Value');
}

function resolveValue(type: FieldType | undefined, where: string, drafts: Drafts): ValueShape {
  if (typeof type === 'string') {
    if (type === 'google.protobuf.Empty') return { kind: 'message', message: resolveMessage(Empty, drafts) };
    if (isScalar(type)) return { kind: 'scalar', name: type };
    if (type === 'google.protobuf.NullValue') return { kind: 'null', name: type };
    if (isWellKnown(type)) return { kind: 'wellKnown', name: type };
    throw unfit(where, `there is no type "${String(type)}"; see the list in docs/messages.md`);
  }
  if (typeof type === 'function')
    return { kind: 'message', message: resolveMessage(classOf(type, where), drafts) };
  if (type instanceof AnyOf) return resolveAny(type, where, drafts);
  if (typeof type === 'object' && type !== null) return { kind: 'enum', enum: enumShapeOf(type, where) };
  throw unfit(
    where,
    'its type is undefined, as happens where two modules import each other; write () => Class',
  );
}

function resolveAny({ type, known }: AnyOf, where: string, drafts: Drafts): ValueShape {
  const shapes = known.map((each) => resolveValue(each, where, drafts));
  const messages = shapes.map((shape) => {
    if (shape.kind === 'message') return shape.message;
    throw unfit(where, 'Any.of takes message classes; the well-known types are known anyhow');
  });
  const byName = new Map(messages.map((message) => [message.name, message]));
  for (const message of messages)
    if (byName.get(message.name) !== message)
      throw unfit(where, `Any.of has two classes of the name ${message.name}; leave one out`);
  return { kind: 'message', message: resolveMessage(type, drafts), known: byName };
}

function classOf(type: MessageType | (() => MessageType), where: string): MessageType {
  if (isClass(type)) return type;
  let result: unknown;
  try {
    result = type();
  } catch (reason) {
    throw unfit(where, `the function that gives its type failed: ${String(reason)}`, reason);
  }
  // Whether it is a message is asked next; that it can be constructed without arguments, when it first is.
  if (typeof result === 'function') return result as MessageType;
  throw unfit(
    where,
    `the function that gives its type returned ${String(result)}; modules that import each other may need ` +
      'the first schemaOf() after both are loaded',
  );
}

/** A class has a prototype that cannot be replaced; a function that returns one has none, or one that can. */
function isClass(type: MessageType | (() => MessageType)): type is MessageType {
  return (
    declarationOf(type) !== undefined ||
    Object.getOwnPropertyDescriptor(type, 'prototype')?.writable === false
  );
}
