import { OctavoError, invalidArgument } from '../core/error.js';

/** The most messages inside each other that are read or written, as in protobuf's own implementations. */
export const MAX_DEPTH = 100;

/** What is wrong with one value; the path to it grows while the fault travels outwards. */
export class Fault extends Error {
  /** Such as `.lines[2].count`. */
  path = '';
}

/** The same reason, with `segment` put before its path if it is a {@link Fault}. */
export function inside(segment: string, reason: unknown): unknown {
  if (reason instanceof Fault) reason.path = segment + reason.path;
  return reason;
}

/** A {@link Fault} as the error that leaves a schema: `greeter.Order.lines[2].count: ...`. Anything else as it is. */
export function refusal(name: string, reason: unknown): unknown {
  if (!(reason instanceof Fault)) return reason;
  const field = reason.path.replace(/^\./, '');
  const violations = field === '' ? [] : [{ field, description: reason.message }];
  return invalidArgument(`${name}${reason.path}: ${reason.message}`, violations);
}

/** A class that cannot have a schema: where, and what to write instead. */
export function unfit(where: string, problem: string, cause?: unknown): OctavoError {
  return new OctavoError('failed_precondition', `${where}: ${problem}`, { cause });
}

/** The fault of a value of the wrong kind: `expected an int32, got "abc"`. */
export function mismatch(expected: string, value: unknown): Fault {
  return new Fault(`expected ${expected}, got ${shown(value)}`);
}

/** Throws where messages are nested too deeply. */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new Fault(`more than ${MAX_DEPTH} messages inside each other`);
}

const SHOWN_LENGTH = 40;

function shown(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > SHOWN_LENGTH ? `${value.slice(0, SHOWN_LENGTH)}…` : value);
  if (typeof value === 'bigint') return `${String(value).slice(0, SHOWN_LENGTH)}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  return value instanceof Date || value instanceof Map || value instanceof Uint8Array
    ? `a ${value.constructor.name}`
    : 'an object';
}
