import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { excess } from '../limits.js';
import type { Bus, Parcel } from './bus.js';
import type { Settings } from './settings.js';
import { BusSocket } from './bus-socket.js';
import { WINDOW_BYTES, WINDOW_MESSAGES } from './window.js';

/** How much a peer that cannot be told to wait may send ahead of a reader before it is cut off. */
const MOST_UNREAD = 1_024;
const MOST_UNREAD_BYTES = 16 * 1024 * 1024;

export interface PlainSocketInit {
  readonly bus: Bus;
  readonly settings: Settings;
  /** Where what is for us goes: the address of a listener, or an inbox. */
  readonly local: string;
  /** Where what is for the other end goes. */
  readonly remote: string;
  /** Where the server says that nobody listens; for a socket that was dialled also where answers go. */
  readonly inbox: string;
  /** Whether more than one message goes either way. */
  readonly stream: boolean;
  readonly dialled: boolean;
  /** Called once at the end. @param answered whether all went as it should: each message of a call has come, or some of a stream */
  readonly onOver: (answered: boolean) => void;
}

/**
 * One call or one stream with a go-micro peer, by its transport's rules: a message each, and nothing else.
 *
 * Nobody is told of an end, and a Go peer cannot be told to wait.
 */
export class PlainSocket extends BusSocket {
  readonly local: string;
  readonly remote: string;
  readonly stream: boolean;
  readonly #init: PlainSocketInit;
  #sent = 0;
  #received = 0;
  #unreadBytes = 0;
  #unconfirmed = 0;
  #unconfirmedBytes = 0;
  #confirming: Promise<void> | undefined;
  #activeAt: number;
  #broken = false;

  constructor(init: PlainSocketInit) {
    super();
    this.#init = init;
    this.local = init.local;
    this.remote = init.remote;
    this.stream = init.stream;
    this.#activeAt = init.settings.clock.now();
  }

  send(message: Message): MaybePromise<void> {
    if (this.over) return;
    const { bus, settings, inbox } = this.#init;
    const over = excess(message, settings.limits);
    if (over !== undefined) throw over;
    let bytes: number;
    try {
      bytes = bus.post(this.remote, message, inbox);
    } catch (reason) {
      const error = OctavoError.from(reason);
      if (error.code === 'resource_exhausted') throw error;
      return this.#break(this.#first ? error : new OctavoError(error.code, error.message, { cause: error }));
    }
    this.#sent++;
    this.#activeAt = settings.clock.now();
    return this.stream ? this.#pace(bytes) : undefined;
  }

  override receive(): MaybePromise<Message | undefined> {
    const received = super.receive();
    if (received !== undefined && !(received instanceof Promise)) this.#unreadBytes -= received.body.length;
    return received;
  }

  close(): void {
    this.finish();
  }

  /** Takes what came for it. */
  take(parcel: Parcel): void {
    if (this.over) return;
    if (parcel.refused) return this.#nobody();
    const { limits, clock } = this.#init.settings;
    this.#activeAt = clock.now();
    let message: Message;
    try {
      message = parcel.message();
    } catch (reason) {
      const { message: why } = OctavoError.from(reason);
      return this.#break(
        new OctavoError('unavailable', `${this.remote} does not speak this protocol: ${why}`, {
          cause: reason,
        }),
      );
    }
    this.arrive(message, excess(message, limits));
  }

  /** Takes a message that was read already. */
  arrive(message: Message, over?: OctavoError): void {
    if (over !== undefined) return this.#break(over);
    this.#received++;
    if (this.keep(message)) return;
    this.#unreadBytes += message.body.length;
    if (this.unread > MOST_UNREAD || this.#unreadBytes > MOST_UNREAD_BYTES)
      this.#break(new OctavoError('resource_exhausted', `${this.remote} sends faster than it is read`));
  }

  /** Ends a stream on which nothing happened for so long that the other end has gone, or has given up, as go-micro's does. */
  tick(): void {
    const { clock, timeoutMs } = this.#init.settings;
    if (!this.stream || timeoutMs === 0 || clock.now() - this.#activeAt < timeoutMs) return;
    this.#break(
      new OctavoError(
        'unavailable',
        `${this.remote}: nothing went either way for ${timeoutMs} ms (timeoutMs)`,
      ),
    );
  }

  protected onFinished(): void {
    const { dialled, onOver } = this.#init;
    const answered = this.stream ? this.#received > 0 : this.#sent === 1 && this.#received === 1;
    onOver(dialled && answered && !this.#broken);
  }

  get #first(): boolean {
    return this.#init.dialled && this.#sent === 0;
  }

  #nobody(): void {
    const first = this.#init.dialled && this.#sent === 1 && this.#received === 0;
    this.#break(
      new OctavoError('unavailable', `nobody listens at ${this.remote}`, first ? { executed: false } : {}),
    );
  }

  #break(error: OctavoError): void {
    this.#broken = true;
    this.finish(error);
  }

  /** Lets the server catch up now and then: nobody else says when to wait. */
  #pace(bytes: number): MaybePromise<void> {
    this.#unconfirmed++;
    this.#unconfirmedBytes += bytes;
    if (this.#unconfirmed < WINDOW_MESSAGES && this.#unconfirmedBytes < WINDOW_BYTES) return;
    return (this.#confirming ??= this.#confirm());
  }

  async #confirm(): Promise<void> {
    try {
      await this.#init.bus.flush();
    } catch {
      // A connection that broke ends the socket, and lets the sender go.
    }
    this.#unconfirmed = 0;
    this.#unconfirmedBytes = 0;
    this.#confirming = undefined;
  }
}
