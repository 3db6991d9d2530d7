import { Any, packedName } from './any.js';
import { Budget, weightOf } from './budget.js';
import { Empty } from './empty.js';
import { Fault, checkDepth, inside, mismatch } from './fault.js';
import { jsonMembers, messageOf } from './given.js';
import type { Members } from './given.js';
import type { JsonObject, JsonWriteOptions } from './json-value.js';
import { packedForm } from './packed-form.js';
import { shapeOf } from './resolve.js';
import { asBytes, asText } from './scalar-check.js';
import type { KnownTypes, MessageShape, WellKnownMessage } from './shape.js';
import { isWellKnown, wellKnown } from './well-known.js';

/** Writes messages of one class as ProtoJSON. */
export interface MessageToJson {
  /** The object for a message. Throws a {@link Fault} with the path of what does not fit. */
  write(value: unknown, options: JsonWriteOptions, depth?: number): JsonObject;
}

/** Reads messages of one class from ProtoJSON. */
export interface JsonToMessage {
  /** How many elements an instance counts as. */
  readonly weight: number;
  /** An instance of what the JSON says. Throws a {@link Fault} with the path of what is wrong. */
  read(json: unknown, budget?: Budget): object;
}

/** Writes each `Any` as the message in it and its type; `writerOf` is how that message is written. */
export function anyToJson(
  known: KnownTypes,
  writerOf: (shape: MessageShape) => MessageToJson,
): MessageToJson {
  const writer: MessageToJson = {
    write(value, options, depth = 0): JsonObject {
      checkDepth(depth);
      const members = messageOf(value, Any);
      const url = at('.typeUrl', () => asText(members['typeUrl'] ?? ''));
      const bytes = at('.value', () => asBytes(members['value'] ?? new Uint8Array()));
      if (url === '' && bytes.length === 0) return {};
      const type = typeIn(url, known);
      const content = packedForm(type).decode(bytes);
      if (typeof type === 'string')
        return { '@type': url, value: wellKnown[type].toJson(content, options, depth + 1) };
      if (type.type === Any) return { '@type': url, value: writer.write(content, options, depth + 1) };
      return { '@type': url, ...writerOf(type).write(content, options, depth + 1) };
    },
  };
  return writer;
}

/** Reads what {@link anyToJson} writes. */
export function jsonToAny(
  known: KnownTypes,
  readerOf: (shape: MessageShape) => JsonToMessage,
): JsonToMessage {
  const reader: JsonToMessage = {
    weight: weightOf(shapeOf(Any)),
    read(json, budget = new Budget()) {
      const any = new Any();
      const members = jsonMembers(json);
      const url = members['@type'];
      if (url === undefined && Object.keys(members).length === 0) return any;
      if (typeof url !== 'string') throw new Fault('"@type" has to name the type of an Any');
      const type = typeIn(url, known);
      any.typeUrl = asText(url);
      any.value = packedForm(type).encode(contentIn(members, type, budget));
      return any;
    },
  };

  function contentIn(members: Members, type: MessageShape | WellKnownMessage, budget: Budget): unknown {
    if (typeof type !== 'string' && type.type !== Any) {
      const content = readerOf(type);
      budget.enter(content.weight);
      const message = content.read(members, budget);
      budget.leave();
      return message;
    }
    budget.enter(1);
    const value = at('.value', () => {
      const { value: json } = members;
      if (json === undefined)
        throw mismatch(`the JSON of ${typeof type === 'string' ? type : type.name}`, json);
      return typeof type === 'string' ? wellKnown[type].fromJson(json, budget) : reader.read(json, budget);
    });
    budget.leave();
    return value;
  }

  return reader;
}

const SHOWN_LENGTH = 100;

function typeIn(url: string, known: KnownTypes): MessageShape | WellKnownMessage {
  const name = packedName(url);
  if (isWellKnown(name)) return name;
  for (const own of [Any, Empty]) if (shapeOf(own).name === name) return shapeOf(own);
  const shape = known.get(name);
  if (shape !== undefined) return shape;
  const shown = JSON.stringify(url.slice(0, SHOWN_LENGTH));
  throw new Fault(`the JSON of type ${shown} is not known here; name its class at the field: Any.of(Class)`);
}

function at<T>(segment: string, work: () => T): T {
  try {
    return work();
  } catch (reason) {
    throw inside(segment, reason);
  }
}
