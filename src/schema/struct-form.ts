import type { Reader, Writer } from 'protobufjs/minimal.js';

import { Budget } from './budget.js';
import { checkDepth, inside, mismatch } from './fault.js';
import { eachItem, isPlain, keyed } from './given.js';
import { setMember } from './json-value.js';
import type { JsonObject, JsonValue } from './json-value.js';
import { asFinite, asText } from './scalar-check.js';
import { asFault, enter, skipField } from './wire-read.js';

// Struct has one field, a map of strings to Value; ListValue has one, a list of Value.
const MEMBER = 10;
const MEMBER_NAME = 10;
const MEMBER_VALUE = 18;
const ITEM = 10;

// Value is a oneof.
const NULL = 8;
const NUMBER = 17;
const STRING = 26;
const BOOL = 32;
const STRUCT = 42;
const LIST = 50;

/** Writes the fields of google.protobuf.Struct. Members that are `undefined` are left out, as in JSON. */
export function writeStruct(writer: Writer, value: unknown, depth: number): void {
  if (!isPlain(value)) throw mismatch('a plain object', value);
  for (const name of Object.keys(value)) {
    const member = value[name];
    if (member === undefined) continue;
    try {
      writer.uint32(MEMBER).fork().uint32(MEMBER_NAME).string(asText(name));
      writeValue(writer.uint32(MEMBER_VALUE).fork(), member, depth);
      writer.ldelim().ldelim();
    } catch (reason) {
      throw inside(keyed(name), reason);
    }
  }
}

/** Writes the fields of google.protobuf.ListValue. */
export function writeList(writer: Writer, value: unknown, depth: number): void {
  eachItem(value, (item) => {
    writeValue(writer.uint32(ITEM).fork(), item, depth);
    writer.ldelim();
  });
}

/** Writes the one field of google.protobuf.Value. */
export function writeValue(writer: Writer, value: unknown, depth: number): void {
  if (value === null) writer.uint32(NULL).int32(0);
  else if (typeof value === 'number') writer.uint32(NUMBER).double(asFinite(value));
  else if (typeof value === 'string') writer.uint32(STRING).string(asText(value));
  else if (typeof value === 'boolean') writer.uint32(BOOL).bool(value);
  else if (!Array.isArray(value) && !isPlain(value)) throw mismatch('a JSON value', value);
  else {
    checkDepth(depth + 1);
    const [tag, write] = Array.isArray(value)
      ? ([LIST, writeList] as const)
      : ([STRUCT, writeStruct] as const);
    write(writer.uint32(tag).fork(), value, depth + 1);
    writer.ldelim();
  }
}

/** A JSON object or list while it is filled. */
type Members = Record<string, JsonValue>;
type Items = JsonValue[];

/** Reads google.protobuf.Struct. Of a member given twice the last is kept. */
export function readStruct(reader: Reader, before: unknown, budget: Budget): JsonObject {
  // Only this reader has put anything there.
  const members = (before ?? {}) as Members;
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (tag === MEMBER) readMember(reader, members, budget);
    else skipField(reader, tag);
  }
  return members;
}

function readMember(reader: Reader, members: Members, budget: Budget): void {
  const end = enter(reader);
  let name = '';
  let value: JsonValue | undefined;
  try {
    budget.take(1);
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      if (tag === MEMBER_NAME) name = reader.stringVerify();
      else if (tag === MEMBER_VALUE) value = readPart(reader, value, budget, readValue);
      else skipField(reader, tag);
    }
  } catch (reason) {
    throw inside(keyed(name), asFault(reason));
  }
  setMember(members, name, value ?? null);
  reader.len = end;
}

/** Reads google.protobuf.ListValue. */
export function readList(reader: Reader, before: unknown, budget: Budget): Items {
  const items = (before ?? []) as Items; // as in readStruct
  try {
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      if (tag !== ITEM) skipField(reader, tag);
      else {
        budget.take(1);
        items.push(readPart(reader, undefined, budget, readValue));
      }
    }
  } catch (reason) {
    throw inside(`[${items.length}]`, asFault(reason));
  }
  return items;
}

/** Reads google.protobuf.Value. One that says nothing is null. */
export function readValue(reader: Reader, before: unknown, budget: Budget): JsonValue {
  let value = before as JsonValue | undefined; // as in readStruct
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    if (tag === NULL) {
      reader.int32();
      value = null;
    } else if (tag === NUMBER) value = asFinite(reader.double());
    else if (tag === STRING) value = reader.stringVerify();
    else if (tag === BOOL) value = reader.bool();
    else if (tag === STRUCT)
      value = readInner(reader, isPlain(value) ? value : undefined, budget, readStruct);
    else if (tag === LIST)
      value = readInner(reader, Array.isArray(value) ? value : undefined, budget, readList);
    else skipField(reader, tag);
  }
  return value ?? null;
}

type Read<T> = (reader: Reader, before: unknown, budget: Budget) => T;

function readInner<T>(reader: Reader, before: unknown, budget: Budget, read: Read<T>): T {
  budget.enter(1);
  const value = readPart(reader, before, budget, read);
  budget.leave();
  return value;
}

function readPart<T>(reader: Reader, before: unknown, budget: Budget, read: Read<T>): T {
  const end = enter(reader);
  const value = read(reader, before, budget);
  reader.len = end;
  return value;
}

/** A copy of a JSON object, as deep as it goes. Throws a `Fault` for what is none. */
export function copyStruct(value: unknown, budget: Budget): JsonObject {
  if (!isPlain(value)) throw mismatch('a plain object', value);
  const members: Members = {};
  for (const name of Object.keys(value)) {
    const member = value[name];
    if (member === undefined) continue;
    try {
      budget.take(1);
      setMember(members, asText(name), copyValue(member, budget));
    } catch (reason) {
      throw inside(keyed(name), reason);
    }
  }
  return members;
}

/** A copy of a list of JSON values, as deep as it goes. */
export function copyList(value: unknown, budget: Budget): Items {
  const items: Items = [];
  eachItem(value, (item) => {
    budget.take(1);
    items.push(copyValue(item, budget));
  });
  return items;
}

/** A copy of a JSON value, as deep as it goes. */
export function copyValue(value: unknown, budget: Budget): JsonValue {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return asFinite(value);
  if (typeof value === 'string') return asText(value);
  if (!Array.isArray(value) && !isPlain(value)) throw mismatch('a JSON value', value);
  budget.enter(1);
  const copy = Array.isArray(value) ? copyList(value, budget) : copyStruct(value, budget);
  budget.leave();
  return copy;
}

/** The form that copies where there is no limit but depth. */
export function writing<T>(
  copy: (value: unknown, budget: Budget) => T,
): (value: unknown, options: unknown, depth: number) => T {
  return (value, _options, depth) => copy(value, new Budget(Number.POSITIVE_INFINITY, depth));
}
