import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import { OctavoError } from '../../core/error.js';
import { grpcEncoding, unpack } from '../../core/grpc-compression.js';
import { fromGrpc, toGrpc } from '../../core/grpc-metadata.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import { Metadata } from '../../core/metadata.js';
import { readConnectError } from '../../schema/connect-error.js';
import { FREE_LEVELS, parseJson } from '../../schema/json-text.js';
import type { ClientCall } from '../calling/client-call.js';
import { codecFor } from '../calling/codec-for.js';
import type { Answer } from './asking.js';
import { codeOfStatus, foreign } from './faults.js';
import type { Target } from './target.js';

/** What the Connect protocol calls the two encodings that it knows. */
const ENCODINGS: ReadonlyMap<string, 'proto' | 'json'> = new Map([
  ['protobuf', 'proto'],
  ['json', 'json'],
]);
/** Before the name of each trailer of a unary answer. */
const TRAILER = 'trailer-';
/** Names of the protocol that are no user's. */
const OF_THE_WIRE = /^(?::|connect-|trailer-|accept-|access-control-|vary$|date$|server$|content-|alt-svc$)/;

/** How the messages of a call are written. */
export interface Encoding {
  readonly codec: Codec;
  readonly name: 'proto' | 'json';
}

/** The encoding that a call asked for. Throws `invalid_argument` for one that the Connect protocol does not know. */
export function encodingOf(codecs: Codecs, contentType: string): Encoding {
  const codec = codecFor(codecs, contentType);
  const name = ENCODINGS.get(codec.name);
  if (name !== undefined) return { codec, name };
  throw new OctavoError(
    'invalid_argument',
    `the Connect protocol has no "${contentType}": use application/protobuf or application/json`,
    { executed: false },
  );
}

/**
 * The headers of a request: name, value, name, value, ...
 *
 * @param fixed those that all requests of an endpoint have, which come first
 */
export function callHeaders({ context }: ClientCall, fixed: readonly string[]): string[] {
  const headers = [...fixed, 'octavo', '1'];
  if (context.deadline !== undefined)
    headers.push('connect-timeout-ms', String(Math.max(1, Math.floor(context.remainingMs))));
  const { knownMetadata } = context;
  if (knownMetadata === undefined || knownMetadata.size === 0) return headers;
  for (const [name, value] of toGrpc(knownMetadata))
    headers.push(name, typeof value === 'string' ? value : value.toString('base64'));
  return headers;
}

/** The same as Node's own requests take them. */
export function headersObject(pairs: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let at = 0; at < pairs.length; at += 2) {
    const [name = '', value = ''] = [pairs[at], pairs[at + 1]];
    const there = headers[name];
    headers[name] = there === undefined ? value : [there, value].flat();
  }
  return headers;
}

/** The value in a reply. Throws `internal` for bytes that are none. */
export function readReply(call: ClientCall, { codec }: Encoding, body: Uint8Array): unknown {
  call.context.meter?.received(body.length);
  try {
    return codec.readBody(body, call.method?.reply, 'response');
  } catch (cause) {
    const { message } = OctavoError.from(cause);
    throw new OctavoError(
      'internal',
      `the reply of ${call.service} ${call.endpoint} cannot be read: ${message}`,
      {
        cause,
      },
    );
  }
}

/** What the headers of an answer say. */
export class AnswerHeaders {
  readonly #raw: readonly string[];

  constructor({ headers }: Pick<Answer, 'headers'>) {
    this.#raw = headers;
  }

  /** One value, by its name in small letters; of several the first. */
  get(name: string): string | undefined {
    for (let at = 0; at < this.#raw.length; at += 2)
      if (this.#raw[at]?.length === name.length && this.#raw[at]?.toLowerCase() === name)
        return this.#raw[at + 1];
    return undefined;
  }

  /** The content type, without parameters. */
  get contentType(): string {
    const [type = ''] = (this.get('content-type') ?? '').split(';');
    return type.trim().toLowerCase();
  }

  /** Shows metadata to who asked for it. */
  show({ options: { onHeader, onTrailer } }: ClientCall, { last }: { last: boolean }): void {
    if (onHeader === undefined && onTrailer === undefined) return;
    const pairs = this.#pairs();
    onHeader?.(fromGrpc(pairs.filter(([name]) => !OF_THE_WIRE.test(name))));
    if (!last) return;
    const trailers = pairs.filter(([name]) => name.startsWith(TRAILER));
    onTrailer?.(fromGrpc(trailers.map(([name, value]) => [name.slice(TRAILER.length), value])));
  }

  #pairs(): (readonly [string, string])[] {
    const pairs: (readonly [string, string])[] = [];
    for (let at = 0; at < this.#raw.length; at += 2)
      pairs.push([(this.#raw[at] ?? '').toLowerCase(), this.#raw[at + 1] ?? '']);
    return pairs;
  }
}

/** The body of an answer as it was before it was packed. */
export function unpacked(encoding: string | undefined, body: Buffer, maxBytes: number): MaybePromise<Buffer> {
  const named = grpcEncoding(encoding);
  return named === undefined || body.length === 0 ? body : unpack(named, body, maxBytes);
}

/** The error that an answer is which is no reply. */
export function errorOf(
  target: Target,
  call: ClientCall,
  status: number,
  { headers, body }: { readonly headers: AnswerHeaders; readonly body: Buffer },
): OctavoError {
  const { contentType } = headers;
  const told =
    status !== 200 && contentType === 'application/json'
      ? readConnectError(parsed(body), codeOfStatus(status))
      : undefined;
  return told ?? foreign(target, call, status, { contentType, body, retryAfter: headers.get('retry-after') });
}

/** What the last frame of a stream says. Throws `internal` for what is none. */
export function readEnd(
  shown: string,
  body: Uint8Array,
): { error: OctavoError | undefined; trailer: Metadata } {
  const json = parsed(body);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new OctavoError('internal', `${shown} ended a stream with something that is no JSON object`);
  const { error, metadata } = json as Readonly<Record<string, unknown>>;
  return {
    error:
      error === undefined || error === null
        ? undefined
        : (readConnectError(error, 'unknown') ?? new OctavoError('unknown', '')),
    trailer: trailerOf(metadata),
  };
}

function trailerOf(metadata: unknown): Metadata {
  if (typeof metadata !== 'object' || metadata === null) return new Metadata();
  const pairs = Object.entries(metadata).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : []).flatMap((value: unknown) =>
      typeof value === 'string' ? [[name.toLowerCase(), value] as const] : [],
    ),
  );
  return fromGrpc(pairs);
}

function parsed(body: Uint8Array): unknown {
  try {
    return parseJson(body, FREE_LEVELS);
  } catch {
    return undefined;
  }
}
