import { CODES, OctavoError, invalidArgument, type Code, type ErrorDetail } from '../core/error.js';
import { EMPTY } from '../core/message.js';
import type { Provider } from '../core/provider.js';
import { bodyOf, bodyText } from '../schema/json-body.js';
import { FREE_LEVELS, TYPED_LEVELS, parseJson } from '../schema/json-text.js';
import type { JsonWriteOptions } from '../schema/json-value.js';
import type { MessageType } from '../schema/message-type.js';
import { shapeOf } from '../schema/resolve.js';
import { BatchCodec, type CallHeader, type Codec, type MessageKind } from './codec.js';

/** How numbers and enums are written, as for JSON, and how much is taken at once. */
export interface JsonRpc2CodecOptions extends JsonWriteOptions {
  /** How many calls one batch may have. @defaultValue `1_000` */
  readonly maxBatch?: number;
}

/** The type of the detail that keeps a JSON-RPC error's own `code`, and its `data`. An error that has one is written with that code. */
export const JSONRPC_ERROR = 'jsonrpc_error';

/** The object around a value, and the list of its parameters. */
const ENVELOPE_LEVELS = 2;
/** Units of the longest message of an error, which the specification wants concise. */
const LONGEST = 4_096;

const PARSE_ERROR = -32_700;
const INVALID_REQUEST = -32_600;
const METHOD_NOT_FOUND = -32_601;
const INVALID_PARAMS = -32_602;
const INTERNAL_ERROR = -32_603;
/** What the server says that the specification has no code for: this, less the number of the code in gRPC. */
const SERVER_ERROR = -32_000;

/**
 * JSON-RPC 2.0, with notifications and batches. Parameters are by name, an object, or in order, a list: the fields of the message in the order of their ids.
 * Events have no envelope. Source: jsonrpc.org/specification.
 */
export class JsonRpc2Codec extends BatchCodec {
  readonly name = 'jsonrpc2';
  readonly contentTypes = ['application/json-rpc2', 'application/json-rpc', 'application/jsonrequest'];
  readonly #options: JsonWriteOptions;
  readonly #maxBatch: number;

  constructor({ maxBatch = 1_000, ...options }: JsonRpc2CodecOptions = {}) {
    super();
    this.#options = options;
    this.#maxBatch = maxBatch;
  }

  readHeader(body: Uint8Array, kind: MessageKind): CallHeader | undefined {
    if (kind === 'event') return undefined;
    return kind === 'request' ? requestHeader(parsed(body)) : responseHeader(parsed(body));
  }

  /** No bytes, and no parameters, are an empty message. */
  readBody(body: Uint8Array, type: MessageType | undefined, kind: MessageKind): unknown {
    const levels = type === undefined ? FREE_LEVELS : TYPED_LEVELS;
    if (body.length === 0) return bodyOf({}, type);
    if (kind === 'event') return bodyOf(parseJson(body, levels), type);
    const { params = {}, result } = objectOf(parsed(body, levels));
    if (kind !== 'request') return bodyOf(result ?? (type === undefined ? result : {}), type);
    return bodyOf(type !== undefined && Array.isArray(params) ? byName(params, type) : params, type);
  }

  write(
    { kind, id, endpoint, error }: CallHeader,
    value: unknown,
    type: MessageType | undefined,
  ): Uint8Array {
    const tail = `"id":${JSON.stringify(id)}}`;
    if (kind === 'error') {
      const outcome = error === undefined ? '"result":null' : `"error":${JSON.stringify(errorObject(error))}`;
      return line(`{"jsonrpc":"2.0",${outcome},${tail}`);
    }
    const text = bodyText(value, type, this.#options);
    if (kind === 'event') return line(text);
    if (kind === 'response') return line(`{"jsonrpc":"2.0","result":${text},${tail}`);
    if (!/^[[{]/.test(text))
      throw invalidArgument('the parameters of JSON-RPC 2.0 are an object or a list: give one');
    return line(`{"jsonrpc":"2.0","method":${JSON.stringify(endpoint)},"params":${text},${tail}`);
  }

  split(body: Uint8Array): readonly Uint8Array[] | undefined {
    if (!beginsList(body)) return undefined;
    const calls = parsed(body, TYPED_LEVELS + 1);
    if (!Array.isArray(calls) || calls.length === 0) throw fault(INVALID_REQUEST, 'the batch is empty');
    if (calls.length > this.#maxBatch)
      throw fault(INVALID_REQUEST, `the batch has over ${this.#maxBatch} calls (maxBatch)`);
    return calls.map((call) => Buffer.from(JSON.stringify(call)));
  }

  join(replies: readonly Uint8Array[]): Uint8Array {
    const answers = replies.filter(({ length }) => length > 0).map((reply) => Buffer.from(reply).toString());
    return answers.length === 0 ? EMPTY : line(`[${answers.map((answer) => answer.trimEnd()).join(',')}]`);
  }
}

/** Encodes as JSON-RPC 2.0. */
export function jsonrpc2(options?: JsonRpc2CodecOptions): Provider<Codec> {
  return () => new JsonRpc2Codec(options);
}

interface Envelope {
  readonly jsonrpc?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
  readonly id?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

function requestHeader(value: unknown): CallHeader {
  const { jsonrpc, method, params, id } = objectOf(value);
  if (jsonrpc !== '2.0') throw fault(INVALID_REQUEST, '"jsonrpc" is "2.0"');
  if (typeof method !== 'string') throw fault(INVALID_REQUEST, '"method" is a string');
  if (params !== undefined && (typeof params !== 'object' || params === null))
    throw fault(INVALID_REQUEST, '"params" is an object or a list');
  // Without an id it is a notification; null is an id, if no good one.
  return {
    kind: id === undefined ? 'event' : 'request',
    id: idOf(id ?? null),
    service: '',
    endpoint: method,
  };
}

function responseHeader(value: unknown): CallHeader {
  const { jsonrpc, error, id = null } = objectOf(value);
  if (jsonrpc !== '2.0') throw fault(INVALID_REQUEST, '"jsonrpc" is "2.0"');
  const header = { id: idOf(id), service: '', endpoint: '' };
  return error === undefined
    ? { ...header, kind: 'response' }
    : { ...header, kind: 'error', error: errorOf(error) };
}

/** @param levels how many the value in it may have */
function parsed(body: Uint8Array, levels = TYPED_LEVELS): unknown {
  try {
    return parseJson(body, levels + ENVELOPE_LEVELS);
  } catch (reason) {
    throw fault(PARSE_ERROR, OctavoError.from(reason).message);
  }
}

function objectOf(value: unknown): Envelope {
  // Every member of an object is looked at where it is used.
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Envelope;
  throw fault(INVALID_REQUEST, 'it is no object');
}

function idOf(id: unknown): string | number | null {
  if (id === null || typeof id === 'string') return id;
  if (typeof id !== 'number') throw fault(INVALID_REQUEST, '"id" is a string, a number or null');
  if (Math.abs(id) <= Number.MAX_SAFE_INTEGER) return id;
  throw fault(INVALID_REQUEST, '"id" is a number past 2^53, which loses digits: send a string');
}

/** The parameters that came in order, under the names of the message's fields. */
function byName(params: readonly unknown[], type: MessageType): object {
  const { name, fields } = shapeOf(type);
  if (params.length > fields.length)
    throw fault(
      INVALID_PARAMS,
      `${name} has ${fields.length} fields, and there are ${params.length} parameters`,
    );
  return Object.fromEntries(params.map((value, at) => [fields[at]?.property, value]));
}

function fault(code: number, why: string): OctavoError {
  const what =
    code === PARSE_ERROR ? 'Parse error' : code === INVALID_REQUEST ? 'Invalid Request' : 'Invalid params';
  return new OctavoError('invalid_argument', `${what}: ${why}`, { details: [{ type: JSONRPC_ERROR, code }] });
}

interface ErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** An error's details travel as `data.details`, unless they are what a JSON-RPC error had. */
function errorObject({ code, message, details, executed }: OctavoError): ErrorObject {
  const own = details.find(({ type }) => type === JSONRPC_ERROR);
  const others = details.filter((detail) => detail !== own);
  const number =
    own !== undefined && Number.isSafeInteger(own['code']) ? Number(own['code']) : numberOf(code);
  const data = {
    ...(others.length > 0 && { details: plain(others) }),
    ...(executed === false && { executed }),
  };
  const told = own?.['data'] ?? (Object.keys(data).length > 0 ? data : undefined);
  return {
    code: number,
    message: message.slice(0, LONGEST),
    ...(told !== undefined && { data: plain(told) }),
  };
}

function numberOf(code: Code): number {
  if (code === 'unimplemented') return METHOD_NOT_FOUND;
  if (code === 'invalid_argument') return INVALID_PARAMS;
  return code === 'internal' ? INTERNAL_ERROR : SERVER_ERROR - CODES[code].grpc;
}

/** What JSON can say of it; nothing of what holds itself. Bigints are text, as in ProtoJSON. */
function plain(value: unknown): unknown {
  try {
    const text = JSON.stringify(value, (_, member: unknown) =>
      typeof member === 'bigint' ? String(member) : member,
    );
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errorOf(told: unknown): OctavoError {
  const {
    code: number,
    message,
    data,
  } = (typeof told === 'object' && told !== null ? told : {}) as Partial<Record<keyof ErrorObject, unknown>>;
  const text = typeof message === 'string' && message !== '' ? message : 'unspecified error';
  const code = typeof number === 'number' ? codeOf(number) : 'unknown';
  const { details, executed } = (typeof data === 'object' && data !== null ? data : {}) as {
    readonly details?: unknown;
    readonly executed?: unknown;
  };
  const kept: ErrorDetail[] = Array.isArray(details) ? details.filter(isDetail) : [];
  const ours =
    numberOf(code) === number && (data === undefined || details !== undefined || executed === false);
  const own = { type: JSONRPC_ERROR, code: number, ...(data !== undefined && { data }) };
  return new OctavoError(code, text, {
    details: ours ? kept : [own],
    ...(ours && executed === false && { executed }),
  });
}

function codeOf(number: number): Code {
  if (number === METHOD_NOT_FOUND) return 'unimplemented';
  if (number === INTERNAL_ERROR) return 'internal';
  if ([PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS].includes(number)) return 'invalid_argument';
  // Object.keys of a table gives the names of its members.
  const names = Object.keys(CODES) as Code[];
  return names.find((name) => CODES[name].grpc === SERVER_ERROR - number) ?? 'unknown';
}

function isDetail(detail: unknown): detail is ErrorDetail {
  return (
    typeof detail === 'object' && detail !== null && typeof (detail as { type?: unknown }).type === 'string'
  );
}

/** Whether the first that is no space is a bracket. */
function beginsList(body: Uint8Array): boolean {
  for (const byte of body) if (byte > 0x20) return byte === 0x5b;
  return false;
}

function line(text: string): Uint8Array {
  return Buffer.from(`${text}\n`);
}
