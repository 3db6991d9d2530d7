import type { OctavoError } from '../../core/error.js';
import type { Lifecycle } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';

/** What came over a bus. */
export interface Parcel {
  /** Where an answer goes; empty for none. */
  readonly reply: string;
  /** The bytes of a frame; of a message in go-micro's form what the bus makes of them. */
  readonly data: Uint8Array;
  /** The server says that nobody listened to what was published with our address as its reply. */
  readonly refused: boolean;
  /** The message, where it is one in go-micro's form. Throws `invalid_argument` where it is none. */
  message(): Message;
}

export interface HearOptions {
  /** Whether others may hear there too: what comes then goes to one of those who say so. */
  readonly shared: boolean;
  /** Called when the server forbids it. */
  readonly refused: (error: OctavoError) => void;
}

/** What is heard at an address. */
export interface Hearing {
  /** Takes nothing more. */
  end(): void;
}

/** A hearing at addresses of our own, that nobody else has. */
export interface BusInbox extends Hearing {
  /** The address of this path: a number, or several with dots between. */
  at(path: string): string;
}

/** What the owner of a bus is told. */
export interface BusEvents {
  /** The connection is gone, and with it everything that was under way. It comes back by itself. */
  down(error: OctavoError): void;
  /** The server does not let us publish to this address, and dropped what we did. */
  forbidden(address: string, error: OctavoError): void;
}

/**
 * A server in the middle that carries bytes from address to address, and says when nobody is there.
 *
 * It keeps nothing: what is published while the connection is down is refused. Hearings outlive a reconnect. Without flow control of its own, it
 * trusts its owner to bound what is under way.
 */
export interface Bus extends Lifecycle {
  /** What errors call it: `nats`. */
  readonly name: string;
  /** Whether something can be published now. */
  readonly up: boolean;
  start(): Promise<void>;
  stop(): Promise<void>;

  /** Whether one can publish to this. */
  isAddress(text: string): boolean;
  /** @throws `invalid_argument` that says what an address looks like */
  checkAddress(text: string): void;
  /** An address that nobody has. */
  fresh(): string;

  /**
   * Publishes a frame, in order. The bytes are the bus's from then on.
   *
   * @param reply where an answer goes, and the server's word that nobody listens
   * @throws `unavailable` while there is no connection, `resource_exhausted` for more bytes than the server takes
   */
  publish(to: string, frame: Uint8Array, reply?: string): void;
  /** Publishes a message in go-micro's form, the same way. Gives how many bytes it takes on the wire. */
  post(to: string, message: Message, reply?: string): number;

  /** Calls `deliver` for whatever comes to an address. Also while the connection is down, for the next one. */
  hear(address: string, deliver: (parcel: Parcel) => void, options: HearOptions): Hearing;
  /** Hears what comes to addresses of our own. */
  inbox(deliver: (parcel: Parcel, path: string) => void): BusInbox;
  /** Resolves when the server has everything that was published, and heard what we want to hear, before. Rejects with `unavailable` when the connection breaks. */
  flush(): Promise<void>;
}
