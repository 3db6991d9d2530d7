import type { Packr } from 'msgpackr';
import { OctavoError, invalidArgument } from '../core/error.js';
import type { Lifecycle } from '../core/lifecycle.js';
import { peer } from '../core/peer.js';
import type { Provider } from '../core/provider.js';
import { readError, writeError } from '../core/wire-error.js';
import { FREE_LEVELS, TYPED_LEVELS } from '../schema/json-text.js';
import type { MessageType } from '../schema/message-type.js';
import { shapeOf } from '../schema/resolve.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader, type MessageKind } from './codec.js';
import { checkExtent } from './msgpack/extent.js';
import { jsonOf, loose, packable, packed } from './msgpack/values.js';

const REQUEST = 0;
const RESPONSE = 1;
const NOTIFICATION = 2;

/** The list of a message, and the list of its parameters. */
const ENVELOPE_LEVELS = 2;

/**
 * MessagePack-RPC as go-micro speaks it. A message is a map of its fields' names: as ProtoJSON, but that integers of 64 bits are integers and bytes are bytes.
 *
 * Needs `npm install msgpackr`. Source: go-micro plugins v4 `codec/msgpackrpc`, github.com/msgpack-rpc/msgpack-rpc `spec.md`.
 */
export class MsgpackCodec extends Codec implements Lifecycle {
  readonly name = 'msgpack';
  readonly contentTypes = ['application/msgpack-rpc', 'application/msgpackrpc', 'application/msgpack'];
  #packr: Packr | undefined;

  async start(): Promise<void> {
    const { Packr } = await peer('the msgpack codec', 'msgpackr', () => import('msgpackr'));
    this.#packr ??= new Packr({
      useRecords: false,
      mapsAsObjects: true,
      variableMapSize: true,
      int64AsType: 'bigint',
    });
  }

  readHeader(body: Uint8Array, kind: MessageKind): CallHeader | undefined {
    if (body.length === 0) return { kind, id: '', service: '', endpoint: '' };
    const [type, ...members] = this.#message(body, kind, TYPED_LEVELS);
    if (type === NOTIFICATION) return { kind: 'event', id: null, service: '', endpoint: nameOf(members[0]) };
    const [id, what] = members;
    const header = { kind, id: idOf(id), service: '', endpoint: '' };
    if (type === REQUEST) return { ...header, endpoint: nameOf(what) };
    if (what === null) return header;
    return { ...header, kind: 'error', error: readError(errorTextOf(what)) };
  }

  /** No bytes, and no parameter, are an empty message. */
  readBody(body: Uint8Array, type: MessageType | undefined, kind: MessageKind): unknown {
    const value =
      body.length === 0 ? null : this.#valueOf(body, kind, type === undefined ? FREE_LEVELS : TYPED_LEVELS);
    return type === undefined ? loose(value) : schemaOf(type).fromJson(jsonOf(value ?? {}));
  }

  write({ kind, id, service, endpoint, error }: CallHeader, value: unknown, type?: MessageType): Uint8Array {
    if (kind === 'error')
      return this.#pack([RESPONSE, id, error === undefined ? null : writeError(error, service, false), null]);
    const body = type === undefined ? packable(value, FREE_LEVELS) : packedAs(type, value);
    if (kind === 'response') return this.#pack([RESPONSE, id, null, body]);
    const params = body === null ? [] : [body];
    return this.#pack(kind === 'event' ? [NOTIFICATION, endpoint, params] : [REQUEST, id, endpoint, params]);
  }

  #valueOf(body: Uint8Array, kind: MessageKind, levels: number): unknown {
    const message = this.#message(body, kind, levels);
    const last = message.at(-1);
    if (message[0] === RESPONSE) return last;
    if (!Array.isArray(last) || last.length > 1) throw malformed('the parameters are a list of one value');
    return last[0] ?? null;
  }

  /** @param levels how many the value in it may have */
  #message(body: Uint8Array, kind: MessageKind, levels: number): readonly unknown[] {
    checkExtent(body, levels + ENVELOPE_LEVELS);
    const message = this.#unpack(body);
    if (!Array.isArray(message)) throw malformed('it is no list');
    const [type] = message as readonly unknown[];
    const expected =
      kind === 'response' || kind === 'error'
        ? type === RESPONSE
        : type === NOTIFICATION || (kind === 'request' && type === REQUEST);
    if (!expected) throw malformed(`a ${kind} does not begin with ${String(type)}`);
    const size = type === NOTIFICATION ? 3 : 4;
    if (message.length !== size) throw malformed(`it has ${message.length} members, not ${size}`);
    return message as readonly unknown[];
  }

  #pack(message: readonly unknown[]): Uint8Array {
    // A copy, as the packer goes on in its buffer.
    return new Uint8Array(this.#loaded.pack(message));
  }

  #unpack(body: Uint8Array): unknown {
    try {
      return this.#loaded.unpack(body) as unknown;
    } catch (cause) {
      if (cause instanceof OctavoError) throw cause;
      throw new OctavoError('invalid_argument', 'the body is no MessagePack', { cause });
    }
  }

  get #loaded(): Packr {
    if (this.#packr !== undefined) return this.#packr;
    throw new OctavoError('failed_precondition', 'the msgpack codec is not started: call its start() first');
  }
}

/** Encodes as MessagePack-RPC. */
export function msgpack(): Provider<Codec> {
  return () => new MsgpackCodec();
}

function packedAs(type: MessageType, value: unknown): unknown {
  // Writing checks what it is given, field by field.
  return packed(shapeOf(type), schemaOf(type).toJson(value as object));
}

/** As text in go-micro, as a number by the specification. */
function idOf(id: unknown): string | number | null {
  if (id === null || typeof id === 'string' || typeof id === 'number') return id;
  if (typeof id === 'bigint') return String(id);
  throw malformed('the id is neither text nor a number');
}

function nameOf(method: unknown): string {
  if (typeof method === 'string') return method;
  throw malformed('the method is no text');
}

function errorTextOf(error: unknown): string {
  if (typeof error !== 'string') throw malformed('the error is no text');
  return error === '' ? 'unspecified error' : error;
}

function malformed(why: string): OctavoError {
  return invalidArgument(`the body is no MessagePack-RPC: ${why}`);
}
