import { CODES, OctavoError, type Code } from '../core/error.js';
import { Any, packedName } from './any.js';
import type { JsonObject } from './json-value.js';
import { detailJson, packDetails, unpackDetails } from './rpc-status.js';

/** Details of an error that is read: more are left out. */
const MOST_DETAILS = 100;

/**
 * An error as the JSON of the Connect protocol: `{code, message, details: [{type, value, debug}]}`. What REST routes answer, too.
 *
 * `value` is the detail's message as base64 without padding; `debug` is the same as ProtoJSON, for people.
 * Source: connectrpc.com/docs/protocol, Error Codes and Error Details.
 */
export function writeConnectError(error: OctavoError): JsonObject {
  const details = packDetails(error).map((any) => ({
    type: packedName(any.typeUrl),
    value: Buffer.from(any.value).toString('base64').replace(/=+$/, ''),
    debug: detailJson(any),
  }));
  const { code, message } = error;
  return {
    code: code === 'cancelled' ? 'canceled' : code,
    ...(message !== '' && { message }),
    ...(details.length > 0 && { details }),
  };
}

/**
 * The error in the JSON of the Connect protocol, whoever wrote it.
 *
 * @param otherwise what the HTTP status says, where the JSON names no code
 */
export function readConnectError(json: unknown, otherwise: Code): OctavoError | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { code, message, details } = json as Readonly<Record<string, unknown>>;
  const text = typeof message === 'string' ? message : '';
  const named = codeOf(code) ?? (text === '' ? undefined : otherwise);
  if (named === undefined) return undefined;
  const found = Array.isArray(details) ? details.slice(0, MOST_DETAILS).flatMap(anyOf) : [];
  try {
    return unpackDetails(named, text, found);
  } catch {
    // Code and message are worth more than details that nobody can read.
    return new OctavoError(named, text);
  }
}

function codeOf(name: unknown): Code | undefined {
  if (name === 'canceled') return 'cancelled';
  // A name that is in the table is one of its names.
  return typeof name === 'string' && Object.hasOwn(CODES, name) ? (name as Code) : undefined;
}

function anyOf(detail: unknown): Any[] {
  if (typeof detail !== 'object' || detail === null) return [];
  const { type, value } = detail as Readonly<Record<string, unknown>>;
  if (typeof type !== 'string' || typeof value !== 'string') return [];
  const any = new Any();
  any.typeUrl = `type.googleapis.com/${type}`;
  any.value = new Uint8Array(Buffer.from(value, 'base64'));
  return [any];
}
