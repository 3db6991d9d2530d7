import type { Cancellation } from '../core/context.js';
import type { OctavoError } from '../core/error.js';
import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';
import type { Message } from '../core/message.js';
import type { PoolOptions } from '../core/pool.js';
import type { PoolStats } from '../core/pool-stats.js';
import type { Probes } from '../core/probes.js';
import type { PeerCertificate } from '../core/tls.js';

export { POOL, type PoolOptions } from '../core/pool.js';
export type { Probes } from '../core/probes.js';

/** Bounds that hold in both directions, checked before memory is taken. Over one of them is `resource_exhausted`. */
export interface MessageLimits {
  /** Bytes of one body. @defaultValue 4 MiB */
  readonly maxMessageBytes?: number;
  /** Bytes of one message's header. @defaultValue 64 KiB */
  readonly maxHeaderBytes?: number;
  /** Names in one message's header. @defaultValue `256` */
  readonly maxHeaders?: number;
}

/** The limits of a transport whose options name none. */
export const MESSAGE_LIMITS: Required<MessageLimits> = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 256,
};

/** What every transport's options have in common. */
export interface TransportOptions extends MessageLimits {
  /** For how long one send, or one body that has begun to arrive, may take, in milliseconds; `0` is for ever. @defaultValue `60_000` */
  readonly timeoutMs?: number;
}

export interface DialOptions {
  /** Whether more than one message will go either way. @defaultValue `false` */
  readonly stream?: boolean;
  /** Whether the call may be run more than once, so that what loses messages may send it again. @defaultValue `false` */
  readonly idempotent?: boolean;
  /** For how long opening may take, in milliseconds. @defaultValue `5_000` */
  readonly timeoutMs?: number;
  /** Gives the dialling up. A call's {@link Context} is one. */
  readonly cancellation?: Cancellation;
  readonly pool?: PoolOptions;
  /** Whether what is dialled says that it takes TLS only: it is not dialled without. @defaultValue `false` */
  readonly secure?: boolean;
}

export interface ListenOptions {
  /** Shown as `/health`, `/ready` and `/metrics` where the transport can show anything. */
  readonly probes?: Probes;
}

/** How many connections there are now, for transports that keep any. */
export interface TransportStats extends PoolStats {
  /** Those that others have dialled. */
  readonly accepted: number;
}

/** Takes one message of a socket, or what there is instead; once, and without throwing. */
export interface Receiver {
  /** @param message `undefined` after the orderly end */
  received(message: Message | undefined): void;
  failed(reason: unknown): void;
}

/**
 * One call or one stream: two queues of messages, one each way.
 *
 * Flow control is part of it: `send` gives a promise when the other end cannot take more, and a receiver that does not receive makes it so.
 */
export interface Socket {
  /** The address at this end. */
  readonly local: string;
  /** The address at the other end. */
  readonly remote: string;
  /** What the other end has shown of itself, where it was asked for a certificate. */
  readonly certificate?: PeerCertificate | undefined;

  /**
   * Sends a message. A promise means: wait for it before the next one. After the end it is dropped.
   *
   * @throws or rejects with `resource_exhausted` for a message over the limits; the socket lives on
   */
  send(message: Message): MaybePromise<void>;

  /**
   * The next message, at once where one waits; `undefined` after the orderly end. One call at a time.
   *
   * @throws or rejects with `unavailable` when the connection broke, `resource_exhausted` when a message over the limits came
   */
  receive(): MaybePromise<Message | undefined>;

  /**
   * As {@link receive}, but without a promise, of which a call would feel the price: the message is given as it comes, or the end.
   * Optional, and for what carries many calls on one connection.
   */
  receiveInto?(receiver: Receiver): void;

  /**
   * Calls `listener` once when the socket has ended, with the error where it did not end in order; at once when it has ended already.
   * There is one listener; the last one given counts.
   */
  onClose(listener: (error: OctavoError | undefined) => void): void;

  /** Ends both directions; messages that were sent still leave. With an error the other end is cut off. Twice is once. */
  close(error?: OctavoError): void;
}

/** An open door. */
export interface Listener {
  /** Where others dial: the port that was really bound. */
  readonly address: string;
  /** Whether it takes TLS only, which others are told. */
  readonly secure?: boolean;
  /** Takes no more sockets in. Those that are open end by themselves or are cut by the transport's `stop`. */
  close(): Promise<void>;
}

/**
 * Carries messages between two processes.
 *
 * A transport multiplexes or pools underneath as its protocol allows: whoever dials gets a socket for one call or one stream.
 * `MemoryTransport` is the shortest full implementation; `octavo/conformance/transport` says whether yours is one too.
 */
export abstract class Transport implements Lifecycle {
  /** What logs and errors call this implementation, and the `transport` in a node's metadata. */
  abstract readonly name: string;
  abstract readonly options: TransportOptions;
  /** Whether a socket may carry more than one message each way. A service with streaming endpoints fails at start without it. */
  abstract readonly streams: boolean;

  /**
   * Opens a socket. Rejects with `unavailable` and `executed: false` when nobody listens there, `deadline_exceeded` when it takes too long, the
   * reason of the cancellation when that comes first.
   *
   * Where the wire cannot tell before something was sent, a call's socket may end with that same `unavailable` after its first message. A
   * stream's may not: whoever opens one has more to lose.
   */
  abstract dial(address: string, options?: DialOptions): MaybePromise<Socket>;

  /**
   * Listens, and calls `accept` for each socket that has its first message. Rejects with `unavailable` naming an address in use.
   *
   * @param address in the transport's own form; one whose port is 0 means any that is free, also to transports without ports
   */
  abstract listen(
    address: string,
    accept: (socket: Socket) => void,
    options?: ListenOptions,
  ): Promise<Listener>;

  /** What connections it has, where it keeps any: metrics show it. */
  stats?(): TransportStats;

  abstract start(): MaybePromise<void>;

  /** Cuts what is still open, dialled or accepted. */
  abstract stop(): MaybePromise<void>;
}
