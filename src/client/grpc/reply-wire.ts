import { constants, type ClientHttp2Stream, type Http2Stream, type IncomingHttpHeaders } from 'node:http2';
import { OctavoError } from '../../core/error.js';
import { grpcEncoding, type GrpcEncoding } from '../../core/grpc-compression.js';
import type { FrameLimits } from '../../core/grpc-frames.js';
import { GrpcWire } from '../../core/grpc-wire.js';
import type { Session } from '../../core/http2/session.js';
import { attachedTo } from '../../core/http2/attached.js';
import type { WireOwner } from '../../core/http2/wire.js';
import * as mucp from '../../core/mucp.js';
import { fromGrpcType } from './content-type.js';
import { notGrpc, readEnding, resetBy, type AnswerHeaders } from './ending.js';

const { NGHTTP2_NO_ERROR } = constants;
const OCTAVO = mucp.OCTAVO.toLowerCase();

/** Who has the messages of a reply. */
export interface ReplyOwner extends WireOwner {
  /** The reply has begun: its headers are there. Not called where the end is all there is. */
  answered(): void;
}

/** One call on a connection that we opened, from where its headers are sent. */
export class ReplyWire extends GrpcWire {
  /** The headers and the trailers of the reply, once they have come. Where it is an error and nothing else, there is no more than trailers. */
  header: IncomingHttpHeaders | undefined;
  trailer: IncomingHttpHeaders | undefined;
  /** The content type of its messages, and how they are packed. */
  contentType: string | undefined;
  encoding: GrpcEncoding | undefined;
  readonly #replyOwner: ReplyOwner;
  /** Whether it was us who broke it off. */
  #given = false;

  constructor(session: Session, stream: ClientHttp2Stream, owner: ReplyOwner, limits: FrameLimits) {
    super(session, stream, owner, limits);
    this.#replyOwner = owner;
    this.known = false;
    stream.on('response', answered);
    stream.on('trailers', trailed);
  }

  /** Breaks the call off, and the other end is told where it may be. */
  giveUp(): void {
    if (this.#given) return;
    this.#given = true;
    if (this.session.mustReset()) this.cut();
    else this.end();
  }

  refuse(): void {
    this.giveUp();
  }

  protected onEnd(): void {
    const { remote } = this.session;
    if (this.trailer !== undefined) this.ended(readEnding(this.trailer, remote));
    else this.ended(new OctavoError('unavailable', `${remote} ended the call without a status`));
  }

  protected finish(): void {
    if (!this.stream.writableEnded) this.stream.end();
  }

  protected override ended(error: OctavoError | undefined): void {
    const rstCode = this.stream.rstCode ?? NGHTTP2_NO_ERROR;
    const { http2, remote } = this.session;
    const reset =
      error !== undefined &&
      error.executed === undefined &&
      this.trailer === undefined &&
      !this.#given &&
      !http2.destroyed &&
      rstCode !== NGHTTP2_NO_ERROR;
    super.ended(reset ? resetBy(remote, rstCode) : error);
  }

  /** The headers of the reply have come. */
  answered(headers: AnswerHeaders): void {
    const { ':status': status } = headers;
    this.contentType = fromGrpcType(headers['content-type']);
    if (headers['grpc-status'] !== undefined) {
      this.trailer = headers;
      return;
    }
    if (status !== 200 || this.contentType === undefined)
      return this.#wrong(notGrpc(headers, this.session.remote));
    try {
      this.encoding = grpcEncoding(text(headers['grpc-encoding']));
    } catch (reason) {
      return this.#wrong(new OctavoError('internal', OctavoError.from(reason).message, { cause: reason }));
    }
    if (headers[OCTAVO] === mucp.DIALECT) this.session.patient = true;
    this.header = headers;
    this.known = true;
    this.#replyOwner.answered();
    this.arrived();
  }

  /** What comes is no reply. */
  #wrong(error: OctavoError): void {
    this.giveUp();
    this.ended(error);
  }
}

function answered(this: Http2Stream, headers: AnswerHeaders): void {
  const wire = attachedTo(this);
  if (wire instanceof ReplyWire) wire.answered(headers);
}

function trailed(this: Http2Stream, headers: IncomingHttpHeaders): void {
  const wire = attachedTo(this);
  if (wire instanceof ReplyWire) wire.trailer = headers;
}

function text(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}
