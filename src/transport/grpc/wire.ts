import type { Http2Stream } from 'node:http2';
import type { GrpcFrame } from '../../core/grpc-frames.js';
import type { Session } from '../../core/http2/session.js';
import { Wire, type WireOwner } from '../../core/http2/wire.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { excess } from '../limits.js';
import type { MESSAGE_LIMITS } from '../transport.js';
import { frameLimits, readMessage, writeHead } from './message.js';

/** One stream of go-micro's grpc transport, at either end. */
export abstract class MessageWire extends Wire<Message> {
  /** Whether the other end has said that it is an Octavo peer. */
  octavo = false;
  readonly #limits: typeof MESSAGE_LIMITS;

  constructor(session: Session, stream: Http2Stream, owner: WireOwner, limits: typeof MESSAGE_LIMITS) {
    super(session, stream, owner, frameLimits(limits));
    this.#limits = limits;
  }

  /**
   * Sends a message. A promise means: wait for it before the next one.
   *
   * @throws `resource_exhausted` for a message over the limits
   */
  send(message: Message): MaybePromise<void> {
    const over = excess(message, this.#limits);
    if (over !== undefined) throw over;
    return this.write(writeHead(message), message.body);
  }

  protected read({ body }: GrpcFrame): Message {
    return readMessage(body, this.#limits, this.octavo);
  }
}
