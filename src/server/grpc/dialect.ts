import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { Codec } from '../../codec/codec.js';
import type { Codecs } from '../../codec/codecs.js';
import { CODES, OctavoError } from '../../core/error.js';
import { writeGrpcMessage } from '../../core/grpc-status.js';
import { readGrpcTimeout } from '../../core/grpc-timeout.js';
import * as mucp from '../../core/mucp.js';
import { writeError } from '../../core/wire-error.js';
import { writeTrailers } from '../../schema/grpc-trailers.js';

/** How one caller writes and reads. */
export interface Dialect {
  /** What its messages are in. */
  readonly codec: Codec;
  /** The headers that every answer to it begins with. */
  readonly opening: OutgoingHttpHeaders;
  /** Whether it is Octavo's, which is told in turn that it calls Octavo. */
  readonly octavo: boolean;
  /** Whether it is go-micro's: a caller who does not know what a refusal says of the call, and who does not half-close a stream. */
  readonly goMicro: boolean;
  /** An error, as it ends a call. */
  readonly trailers: (error: OctavoError) => Record<string, string>;
}

const PROTOBUF = 'application/protobuf';
/** The codec that each subtype of `application/grpc` means. Messages of `bytes` are in what `x-content-type` says. */
const SUBTYPES: Readonly<Record<string, string>> = {
  '': PROTOBUF,
  proto: PROTOBUF,
  json: 'application/json',
  bytes: PROTOBUF,
};
/** Bytes of a status of go-micro's, which is JSON and of no use when it is cut: as much as it has at most, with each byte encoded. */
const JSON_ROOM = 3 * 16_384;

/** go-micro's name for what a message is in, which also says that go-micro calls. */
const MICRO_TYPE = 'x-content-type';
/** Says that Octavo calls, or answers. */
const OCTAVO = 'octavo';

const GRPC = /^application\/grpc(?:\+([a-z0-9.-]+))?$/;

/** Whether a content type is one of gRPC, and not of gRPC-Web. */
export function isGrpc(contentType: string | undefined): contentType is string {
  return contentType !== undefined && GRPC.test(bare(contentType));
}

/** What a caller says of itself. */
interface Asked {
  /** What a message is in, where go-micro says so. */
  readonly inner: string | undefined;
  readonly octavo: boolean;
}

/** The dialects that a server speaks, by what a caller's headers say. */
export class Dialects {
  readonly #codecs: Codecs;
  readonly #service: string;
  readonly #known = new Map<string, Dialect>();

  /** @throws `failed_precondition` where there is no codec for protobuf, which every caller of gRPC knows */
  constructor(codecs: Codecs, service: string) {
    this.#codecs = codecs;
    this.#service = service;
    if (codecs.get(PROTOBUF) === undefined)
      throw new OctavoError(
        'failed_precondition',
        `the grpc server speaks ${PROTOBUF}, for which there is no codec: add protobuf() to the codecs`,
      );
  }

  /** Throws `unimplemented`, naming those there are, for a content type that nobody reads here. */
  of(contentType: string, headers: IncomingHttpHeaders): Dialect {
    const { [MICRO_TYPE]: given, [OCTAVO]: octavo } = headers;
    const inner = typeof given === 'string' ? given : undefined;
    const asked = inner === undefined ? contentType : `${contentType} ${inner}`;
    const key = octavo === undefined ? asked : `${asked} octavo`;
    return this.#known.get(key) ?? this.#make(key, contentType, { inner, octavo: octavo !== undefined });
  }

  #make(key: string, contentType: string, { inner, octavo }: Asked): Dialect {
    const [, subtype = ''] = GRPC.exec(bare(contentType)) ?? [];
    const wanted = subtype === 'bytes' ? (inner ?? PROTOBUF) : SUBTYPES[subtype];
    const codec = wanted === undefined ? undefined : this.#codecs.get(wanted);
    if (codec === undefined)
      throw new OctavoError(
        'unimplemented',
        `messages of "${contentType.slice(0, 80)}" are not read here: use application/grpc, application/grpc+proto or application/grpc+json`,
        { executed: false },
      );
    const opening = {
      ':status': 200,
      'content-type': contentType,
      ...(octavo && { [OCTAVO]: mucp.DIALECT }),
    };
    const goMicro = inner !== undefined;
    const trailers = goMicro ? (error: OctavoError) => microTrailers(error, this.#service) : writeTrailers;
    const dialect: Dialect = { codec, opening, octavo, goMicro, trailers };
    // Callers send few of them; one who makes them up does not fill the memory.
    if (this.#known.size < 64) this.#known.set(key, dialect);
    return dialect;
  }
}

/**
 * How long the caller waits, in milliseconds; `undefined` where it does not say.
 *
 * @throws `invalid_argument` for what is no time, `deadline_exceeded` where nothing is left of it
 */
export function timeoutOf(headers: IncomingHttpHeaders, { goMicro }: Dialect): number | undefined {
  const { 'grpc-timeout': text, timeout } = headers;
  const asked = readGrpcTimeout(typeof text === 'string' ? text : undefined);
  const micro = goMicro && typeof timeout === 'string' ? mucp.readTimeout(timeout) : undefined;
  const ms = asked === undefined || micro === undefined ? (asked ?? micro) : Math.min(asked, micro);
  if (ms === undefined || ms > 0) return ms;
  throw new OctavoError(
    'deadline_exceeded',
    'the request came too late: its time was over when it was sent',
    {
      executed: false,
    },
  );
}

/**
 * go-micro reads its own JSON in the message, and would take details for an error of its own.
 *
 * Source: go-micro plugins v4 `client/grpc/error.go`.
 */
function microTrailers(error: OctavoError, service: string): Record<string, string> {
  return {
    'grpc-status': String(CODES[error.code].grpc),
    'grpc-message': writeGrpcMessage(writeError(error, service, false), JSON_ROOM),
  };
}

function bare(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
