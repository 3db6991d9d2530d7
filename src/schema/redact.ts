import { declarationOf } from './declaration.js';
import type { MessageType } from './message-type.js';
import { shapeOf } from './resolve.js';
import type { FieldShape, MessageShape, ValueShape } from './shape.js';

/** How much of a message is shown: so deep, so many items of a list or map, so many characters of a text. */
const DEPTH = 6;
const ITEMS = 20;
const CHARACTERS = 200;

/** What a log may show of a message: its declared fields, without the sensitive ones, and not too much of each. Never throws. */
export function redacted(type: MessageType, value: unknown): unknown {
  try {
    return message(shapeOf(type), value, DEPTH);
  } catch {
    // Whatever was given is no such message.
    return '[unreadable]';
  }
}

function message({ type, fields }: MessageShape, value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return '[unreadable]';
  if (depth === 0) return '[...]';
  const shown: Record<string, unknown> = {};
  for (const shape of fields) {
    const given = (value as Readonly<Record<string, unknown>>)[shape.property];
    if (given === undefined) continue;
    shown[shape.property] = isSensitive(type, shape.property) ? '[sensitive]' : field(shape, given, depth);
  }
  return shown;
}

function field({ label, value: shape }: FieldShape, given: unknown, depth: number): unknown {
  if (label === 'single') return one(shape, given, depth);
  if (Array.isArray(given))
    return cut(
      given.slice(0, ITEMS).map((each) => one(shape, each, depth)),
      given.length,
    );
  if (typeof given !== 'object' || given === null) return '[unreadable]';
  const entries: [unknown, unknown][] = given instanceof Map ? [...given] : Object.entries(given);
  const shown = entries.slice(0, ITEMS).map(([key, each]) => [text(String(key)), one(shape, each, depth)]);
  if (entries.length > ITEMS) shown.push(['...', `${entries.length - ITEMS} more`]);
  return Object.fromEntries(shown) as unknown;
}

function cut(items: unknown[], all: number): unknown[] {
  return all > items.length ? [...items, `... ${all - items.length} more`] : items;
}

function one(shape: ValueShape, given: unknown, depth: number): unknown {
  if (shape.kind === 'message') return message(shape.message, given, depth - 1);
  if (typeof given === 'string') return text(given);
  if (given instanceof Uint8Array) return `[${given.length} bytes]`;
  if (typeof given === 'bigint') return String(given);
  if (given instanceof Date) return given;
  // What nobody declared the inside of is not shown.
  return typeof given === 'object' && given !== null ? '[...]' : given;
}

function text(given: string): string {
  return given.length > CHARACTERS ? `${given.slice(0, CHARACTERS)}...` : given;
}

/** Whether this class or one that it extends says so of a property. */
function isSensitive(type: object, property: string): boolean {
  for (let at: unknown = type; typeof at === 'function'; at = Object.getPrototypeOf(at))
    if (declarationOf(at)?.sensitive.has(property) === true) return true;
  return false;
}
