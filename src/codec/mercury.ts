import { invalidArgument } from '../core/error.js';
import type { Metadata } from '../core/metadata.js';
import type { Provider } from '../core/provider.js';
import type { MessageType } from '../schema/message-type.js';
import { schemaOf } from '../schema/schema.js';
import { HeaderCodec, type CallHeader, type Codec } from './codec.js';

export interface MercuryCodecOptions {
  /** What the other side calls it: go-micro's has no content type of its own. @defaultValue `'application/mercury'` */
  readonly contentType?: string;
}

/**
 * proto3 bytes, with service and endpoint in the header under the names of Hailo's mercury. Without a type a body is its bytes.
 *
 * Source: go-plugins v0.20.1 `codec/mercury`. Errors and ids, which it does not carry, travel under the names of the wire.
 */
export class MercuryCodec extends HeaderCodec {
  readonly name = 'mercury';
  readonly contentTypes: readonly string[];

  constructor({ contentType = 'application/mercury' }: MercuryCodecOptions = {}) {
    super();
    this.contentTypes = [contentType];
  }

  readHeader(): undefined {
    return undefined;
  }

  readBody(body: Uint8Array, type: MessageType | undefined): unknown {
    return type === undefined ? new Uint8Array(body) : schemaOf(type).decode(body);
  }

  write({ kind }: CallHeader, value: unknown, type: MessageType | undefined): Uint8Array {
    if (kind === 'error') return new Uint8Array(0);
    // Encoding checks what it is given, field by field.
    if (type !== undefined) return schemaOf(type).encode(value as object);
    if (value instanceof Uint8Array) return value;
    throw invalidArgument('mercury without a type is encoded bytes: give a Uint8Array, or the message class');
  }

  writeCall({ kind, service, endpoint }: CallHeader): readonly (readonly [string, string])[] {
    if (kind === 'event') return [];
    if (kind !== 'request') return [[ENCODING, 'response']];
    return [
      [ENCODING, 'request'],
      ['Service', service],
      ['Endpoint', endpoint],
    ];
  }

  readCall(header: Metadata): Pick<CallHeader, 'service' | 'endpoint'> {
    return { service: header.get('Service') ?? '', endpoint: header.get('Endpoint') ?? '' };
  }
}

/** Not how the body is encoded, as in HTTP, but what it is. */
const ENCODING = 'Content-Encoding';

/** Encodes as Hailo's mercury does. */
export function mercury(options?: MercuryCodecOptions): Provider<Codec> {
  return () => new MercuryCodec(options);
}
