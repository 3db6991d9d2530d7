import { invalidArgument, type OctavoError } from '../core/error.js';
import type { Provider } from '../core/provider.js';
import { readError, writeError } from '../core/wire-error.js';
import { declareField, declareMessage } from '../schema/declaration.js';
import type { FieldType } from '../schema/field-type.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { Codec, type CallHeader, type MessageKind } from './codec.js';

/** What is before a message: `Request` and `Response` of go-micro's `envelope.proto` in one, as their ids agree. */
class Envelope {
  serviceMethod = '';
  seq = 0n;
  error = '';
}

declareMessage(Envelope, 'protorpc.Envelope', []);
const FIELDS: readonly (readonly [string, FieldType])[] = [
  ['serviceMethod', 'string'],
  ['seq', 'fixed64'],
  ['error', 'string'],
];
for (const [at, [property, type]] of FIELDS.entries())
  declareField(Envelope.prototype, { property, id: at + 1, label: 'single', type, optional: false });

/**
 * go-micro's proto-rpc: an envelope and a message, each with its length before it. Without a type a message is its bytes. Events have no envelope.
 *
 * Source: go-micro v4.11 `codec/protorpc`.
 */
export class ProtoRpcCodec extends Codec {
  readonly name = 'protorpc';
  readonly contentTypes = ['application/proto-rpc'];

  readHeader(body: Uint8Array, kind: MessageKind): CallHeader | undefined {
    if (kind === 'event') return undefined;
    const { serviceMethod, seq, error } = schemaOf(Envelope).decode(blocks(body)[0]);
    const header = { kind, id: String(seq), service: '', endpoint: serviceMethod };
    return kind === 'request' || error === ''
      ? header
      : { ...header, kind: 'error', error: readError(error) };
  }

  readBody(body: Uint8Array, type: MessageType | undefined, kind: MessageKind): unknown {
    const bytes = kind === 'event' ? body : blocks(body)[1];
    return type === undefined ? new Uint8Array(bytes) : schemaOf(type).decode(bytes);
  }

  write({ kind, id, service, endpoint, error }: CallHeader, value: unknown, type?: MessageType): Uint8Array {
    const bytes = kind === 'error' ? NOTHING : bytesOf(value, type);
    if (kind === 'event') return bytes;
    const envelope = schemaOf(Envelope).encode({
      // A response has none: whoever asked knows what it asked for.
      serviceMethod: kind === 'request' ? endpoint : '',
      seq: sequence(id),
      error: errorText(error, service),
    });
    return Buffer.concat([length(envelope), envelope, length(bytes), bytes]);
  }
}

/** Encodes as proto-rpc, go-micro's old protocol. */
export function protorpc(): Provider<Codec> {
  return () => new ProtoRpcCodec();
}

const NOTHING = new Uint8Array(0);
/** Bytes of a length. */
const WIDTH = 4;
const MOST = 2n ** 64n;

/** The two blocks of a body, of which there is nothing where there is no body. */
function blocks(body: Uint8Array): readonly [Uint8Array, Uint8Array] {
  if (body.length === 0) return [NOTHING, NOTHING];
  const envelope = block(body, 0);
  const message = block(body, WIDTH + envelope.length);
  const left = body.length - 2 * WIDTH - envelope.length - message.length;
  if (left > 0) throw invalidArgument(`the body is no proto-rpc: ${left} bytes are left behind it`);
  return [envelope, message];
}

function block(body: Uint8Array, at: number): Uint8Array {
  const begin = at + WIDTH;
  if (begin > body.length) throw invalidArgument('the body is no proto-rpc: it ends before a length');
  const size = new DataView(body.buffer, body.byteOffset).getUint32(at);
  if (size > body.length - begin)
    throw invalidArgument(
      `the body is no proto-rpc: a block has ${size} bytes, and ${body.length - begin} came`,
    );
  return body.subarray(begin, begin + size);
}

function length({ length: size }: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(WIDTH);
  bytes.writeUInt32BE(size);
  return bytes;
}

function bytesOf(value: unknown, type: MessageType | undefined): Uint8Array {
  // Encoding checks what it is given, field by field.
  if (type !== undefined) return schemaOf(type).encode(value as object);
  if (value instanceof Uint8Array) return value;
  throw invalidArgument('proto-rpc without a type is encoded bytes: give a Uint8Array, or the message class');
}

/** An id that is no number is 0, as in go-micro. */
function sequence(id: CallHeader['id']): bigint {
  const text = String(id);
  const number = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  return number < MOST ? number : 0n;
}

function errorText(error: OctavoError | undefined, service: string): string {
  // Text that is not well-formed has no bytes in proto3, and has to travel.
  return error === undefined ? '' : Buffer.from(writeError(error, service, false)).toString();
}
