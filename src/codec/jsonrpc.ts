import { invalidArgument, type OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { readError, writeError } from '../core/wire-error.js';
import { bodyOf, bodyText } from '../schema/json-body.js';
import { FREE_LEVELS, TYPED_LEVELS, parseJson } from '../schema/json-text.js';
import type { JsonWriteOptions } from '../schema/json-value.js';
import type { MessageType } from '../schema/message-type.js';
import { Codec, type CallHeader, type MessageKind } from './codec.js';

/** How numbers and enums are written, as for JSON. */
export type JsonRpcCodecOptions = JsonWriteOptions;

/** The object around a value, and the list of its parameters. */
const ENVELOPE_LEVELS = 2;

/**
 * JSON-RPC 1.0 as go-micro speaks it: one parameter, errors that are the text of `Micro-Error`, a line break behind it. Events have no envelope.
 *
 * A request with the id null is not answered: by version 1.0 it is a notification. Source: go-micro v4.11 `codec/jsonrpc`, jsonrpc.org/specification_v1.
 */
export class JsonRpcCodec extends Codec {
  readonly name = 'jsonrpc';
  readonly contentTypes = ['application/json-rpc'];
  readonly #options: JsonRpcCodecOptions;

  constructor(options: JsonRpcCodecOptions = {}) {
    super();
    this.#options = options;
  }

  readHeader(body: Uint8Array, kind: MessageKind): CallHeader | undefined {
    if (kind === 'event') return undefined;
    const { method, id = null, error = null } = envelope(body, TYPED_LEVELS);
    const header = { kind, id: idOf(id), service: '', endpoint: '' };
    if (kind !== 'request') return error === null ? header : { ...header, kind: 'error', error: told(error) };
    if (body.length > 0 && typeof method !== 'string')
      throw invalidArgument('the body is no JSON-RPC request: "method" is a string');
    const quiet = id === null && body.length > 0;
    return { ...header, kind: quiet ? 'event' : kind, endpoint: typeof method === 'string' ? method : '' };
  }

  /** An empty body, and no parameter, are an empty message. */
  readBody(body: Uint8Array, type: MessageType | undefined, kind: MessageKind): unknown {
    const levels = type === undefined ? FREE_LEVELS : TYPED_LEVELS;
    if (kind === 'event') return bodyOf(body.length === 0 ? {} : parseJson(body, levels), type);
    const { params = [], result } = envelope(body, levels);
    if (kind !== 'request') return bodyOf(result ?? (type === undefined ? result : {}), type);
    if (!Array.isArray(params) || params.length > 1)
      throw invalidArgument('the body is no JSON-RPC request: "params" is a list of one value');
    return bodyOf(params.length === 0 ? {} : params[0], type);
  }

  write({ kind, id, service, endpoint, error }: CallHeader, value: unknown, type?: MessageType): Uint8Array {
    const written = JSON.stringify(id);
    if (kind === 'error') {
      const text = error === undefined ? 'null' : JSON.stringify(writeError(error, service, false));
      return line(`{"id":${written},"result":null,"error":${text}}`);
    }
    const text = bodyText(value, type, this.#options);
    if (kind === 'event') return line(text);
    if (kind === 'response') return line(`{"id":${written},"result":${text},"error":null}`);
    return line(`{"method":${JSON.stringify(endpoint)},"params":[${text}],"id":${written}}`);
  }
}

/** Encodes as JSON-RPC 1.0, go-micro's old protocol. */
export function jsonrpc(options?: JsonRpcCodecOptions): Provider<Codec> {
  return () => new JsonRpcCodec(options);
}

interface Envelope {
  readonly method?: unknown;
  readonly params?: unknown;
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

/** @param levels how many the value in it may have */
function envelope(body: Uint8Array, levels: number): Envelope {
  if (body.length === 0) return {};
  const value = parseJson(body, levels + ENVELOPE_LEVELS);
  // Every member of an object is looked at where it is used.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Envelope;
  throw invalidArgument('the body is no JSON-RPC message: it is an object');
}

function idOf(id: unknown): string | number | null {
  if (id === null || typeof id === 'string') return id;
  if (typeof id === 'number' && Math.abs(id) <= Number.MAX_SAFE_INTEGER) return id;
  throw invalidArgument('the body is no JSON-RPC message: "id" is a string, a number up to 2^53 or null');
}

/** Others than go-micro may have an object for an error. */
function told(error: unknown): OctavoError {
  const text = typeof error === 'string' ? error : JSON.stringify(error);
  return readError(text === '' ? 'unspecified error' : text);
}

function line(text: string): Uint8Array {
  return Buffer.from(`${text}\n`);
}
