import { HeaderCodec, type CallHeader, type Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import type { Message } from '../../core/message.js';
import type { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { isAddressed, type Head } from './head.js';
import type { Incoming } from './incoming.js';

/**
 * The content type that go-micro's old protocol has in place of a codec's own. Source: go-micro v4.11 `server/rpc_codec.go`, setupProtocol.
 */
const OLD: Readonly<Record<string, string>> = {
  json: 'application/json-rpc',
  protobuf: 'application/proto-rpc',
  bytes: 'application/proto-rpc',
};

/** By the content type; where the head does not say whom the call is for it is go-micro's old protocol, in which that means an envelope. */
export function codecFor(head: Head, contentType: string, codecs: Codecs): Codec | undefined {
  const codec = codecs.get(contentType);
  if (codec === undefined || isAddressed(head)) return codec;
  return codecs.get(OLD[codec.name] ?? '') ?? codec;
}

/** What a message says of its call in the form of its codec, in the body or beside it; `undefined` where that has none. */
export function envelopeOf({ header, body }: Message, head: Head, codec: Codec): CallHeader | undefined {
  if (codec instanceof HeaderCodec) return { kind: 'request', id: '', ...codec.readCall(header) };
  // A stream's opener may be empty, and says all in its header.
  return body.length === 0 && isAddressed(head) ? undefined : codec.readHeader(body, 'request');
}

/** What the caller's user sent, without the names of the wire and of the codec. */
export function metadataOf({ header, codec, service }: Incoming): Metadata {
  const metadata = mucp.userMetadata(header);
  if (codec instanceof HeaderCodec)
    for (const [name] of codec.writeCall({ kind: 'request', id: '', service, endpoint: '' }))
      metadata.delete(name);
  return metadata;
}
