import { HeaderCodec, type Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import { OctavoError } from '../../core/error.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { readError } from '../../core/wire-error.js';
import type { MessageType } from '../../schema/message-type.js';
import type { ClientCall } from '../calling/client-call.js';

/**
 * The header of a request, or of every message of a stream, as go-micro's client writes it.
 *
 * @param stream whether the id is a stream's too
 */
export function requestHeader(call: ClientCall, id: string, codec: Codec, stream: boolean): Metadata {
  const { service, endpoint, contentType, context } = call;
  const { deadline, knownMetadata } = context;
  const timeout = deadline === undefined ? '' : mucp.writeTimeout(context.remainingMs);
  // In one piece, as a list that grows costs more. What all calls of an endpoint have comes first.
  // prettier-ignore
  const pairs = [
    mucp.CONTENT_TYPE, contentType,
    mucp.SERVICE, service,
    mucp.ENDPOINT, endpoint,
    mucp.METHOD, endpoint,
    mucp.OCTAVO, mucp.DIALECT,
    mucp.ID, id,
    mucp.TIMEOUT, timeout,
  ];
  if (deadline === undefined) pairs.length -= 2;
  if (stream) pairs.push(mucp.STREAM, id);
  if (codec instanceof HeaderCodec)
    pairs.push(...codec.writeCall({ kind: 'request', id, service, endpoint }).flat());
  if (knownMetadata !== undefined) pairs.push(...knownMetadata.pairs);
  return Metadata.of(pairs);
}

/** Whether a codec says in the body which call it is of. One that does not says so of whatever bytes; others may refuse those that say nothing. */
export function hasEnvelope(codec: Codec): boolean {
  try {
    return codec.readHeader(EMPTY, 'request') !== undefined;
  } catch {
    return true;
  }
}

/** The error that a reply is; `undefined` for a reply that is none. */
export function errorOf({ header }: Message): OctavoError | undefined {
  const text = header.get(mucp.ERROR);
  return text === undefined || text === mucp.EOS ? undefined : readError(text);
}

/** The value in a reply. A Go server says "unsupported content type" by another content type and nothing else. */
export function readReply(
  codecs: Codecs,
  call: ClientCall,
  message: Message,
  type: MessageType | undefined,
): unknown {
  const contentType = message.header.get(mucp.CONTENT_TYPE) ?? call.contentType;
  const codec = codecs.get(contentType);
  if (codec === undefined) {
    const text = Buffer.from(message.body.subarray(0, 200)).toString('utf8');
    throw new OctavoError(
      'internal',
      `${call.service} answered with the content type "${contentType}": ${text}`,
    );
  }
  let error: OctavoError | undefined;
  try {
    error = codec.readHeader(message.body, 'response')?.error;
    if (error === undefined) return codec.readBody(message.body, type, 'response');
  } catch (cause) {
    const { message: why } = OctavoError.from(cause);
    throw new OctavoError(
      'internal',
      `the reply of ${call.service} ${call.endpoint} cannot be read: ${why}`,
      { cause },
    );
  }
  // The envelope's, where the header is not go-micro's.
  throw error;
}

/** Shows a reply's metadata to who asked for it. A go-micro server echoes the request's headers, which are none. */
export function showMetadata(
  { options }: ClientCall,
  { header }: Message,
  { last }: { last: boolean },
): void {
  const { onHeader, onTrailer } = options;
  if (onHeader === undefined && onTrailer === undefined) return;
  onHeader?.(mucp.isOctavoReply(header) ? mucp.userMetadata(header) : new Metadata());
  if (last) showTrailer(onTrailer, header);
}

export function showTrailer(onTrailer: ((trailer: Metadata) => void) | undefined, header: Metadata): void {
  onTrailer?.(mucp.isOctavoReply(header) ? mucp.readTrailer(header) : new Metadata());
}
