import type { Socket as TcpSocket } from 'node:net';
import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Secured } from '../../core/handshakes.js';
import type { HttpMessage } from '../../core/http-message.js';
import type { Inbox } from '../../core/inbox.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import * as mucp from '../../core/mucp.js';
import { codeOf } from '../../core/wire-error.js';
import type { Receiver, Socket } from '../transport.js';
import { Flow, type FlowOptions } from './flow.js';
import { checkSize, pack } from './packing.js';
import { statusOf } from './routing.js';
import { streamInbox } from './stream-inbox.js';

/** A connection that we opened. It carries one call or one stream at a time, and is free in between. */
export class Dialled {
  readonly flow: Flow;
  readonly openedAt: number;
  readonly address: string;
  readonly #onGone: (connection: Dialled) => void;
  current: DialledSocket | undefined;
  /** One whose message was read just now, and its receiver not told. */
  answered: DialledSocket | undefined;

  constructor(
    tcp: TcpSocket,
    address: string,
    clock: Clock,
    options: FlowOptions,
    onGone: (it: Dialled) => void,
    secured: Secured | undefined,
  ) {
    this.address = address;
    this.openedAt = clock.now();
    this.#onGone = onGone;
    const events = {
      read: () => this.#settle(),
      message: (message: HttpMessage) => this.#take(message),
      end: () => this.#lost(undefined),
      malformed: (error: OctavoError) => this.#broken(error),
      closed: (error: OctavoError | undefined) => {
        this.#lost(error);
        onGone(this);
      },
    };
    this.flow = new Flow(tcp, clock, options, events, secured);
  }

  /** Gives what came to who waits for it: when all that came with it is read, as there may be more than there should be. */
  #settle(): void {
    const { answered } = this;
    this.answered = undefined;
    answered?.give();
  }

  #take(message: HttpMessage): void {
    if (message.header.get(mucp.FRAME) === mucp.GOAWAY) return this.#leave();
    // Nobody asked: whatever this connection carries next would be taken for something else.
    if (this.current === undefined) this.flow.destroy();
    else this.current.take(message);
  }

  /** The other end reads nothing more, but answers what it has: no other call goes this way. */
  #leave(): void {
    if (this.current !== undefined) return this.current.retire();
    this.#onGone(this);
    this.flow.end();
  }

  #lost(error: OctavoError | undefined): void {
    this.current?.lost(error);
    if (this.current === undefined) this.#onGone(this);
    this.flow.end();
  }

  #broken(error: OctavoError): void {
    this.#settle();
    const reason =
      error.code === 'invalid_argument'
        ? new OctavoError('unavailable', `${this.address} does not speak this protocol: ${error.message}`, {
            cause: error,
          })
        : error;
    this.current?.lost(reason);
    this.flow.destroy();
  }
}

/** One call or one stream on a connection that we opened. */
export class DialledSocket implements Socket {
  readonly #connection: Dialled;
  readonly #limits: FlowOptions;
  readonly #stream: boolean;
  readonly #release: (connection: Dialled, reuse: boolean) => void;
  readonly #inbox: Inbox<Message>;
  readonly #start: string;
  /** Who waits for a message, and that. */
  #receiver: Receiver | undefined;
  #answer: HttpMessage | undefined;
  #sent = 0;
  #received = 0;
  #reusable = true;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  constructor(
    connection: Dialled,
    stream: boolean,
    limits: FlowOptions,
    release: (connection: Dialled, reuse: boolean) => void,
  ) {
    this.#connection = connection;
    this.#stream = stream;
    this.#limits = limits;
    this.#release = release;
    this.#start = `POST / HTTP/1.1\r\nHost: ${connection.address}`;
    this.#inbox = streamInbox(() => connection.flow.resume());
  }

  get local(): string {
    return this.#connection.flow.local;
  }
  get remote(): string {
    return this.#connection.address;
  }

  send(message: Message): MaybePromise<void> {
    if (this.#over !== undefined) return;
    checkSize(message, this.#limits);
    const bytes = pack(this.#connection.flow.writer, this.#start, message, this.#limits);
    this.#sent++;
    return this.#connection.flow.write(bytes);
  }

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  receiveInto(receiver: Receiver): void {
    if (this.#over !== undefined || this.#inbox.length > 0) return this.#inbox.takeInto(receiver);
    if (this.#receiver !== undefined)
      throw new OctavoError('failed_precondition', 'a receive waits already: await it before the next one');
    this.#receiver = receiver;
  }

  /** Gives the message that was read to who waits for it. */
  give(): void {
    const receiver = this.#receiver;
    const answer = this.#answer;
    this.#receiver = undefined;
    this.#answer = undefined;
    receiver?.received(answer);
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    const { flow } = this.#connection;
    const reuse =
      !this.#stream && this.#sent === 1 && this.#received === 1 && this.#reusable && !flow.partial;
    this.#connection.current = undefined;
    this.#finish(undefined);
    this.#release(this.#connection, reuse);
    if (reuse) return;
    // A stream, or a call without its reply: closing is the only way to say that nobody waits.
    if (error !== undefined) flow.reset();
    else if (this.#stream) flow.end();
    else flow.destroy();
  }

  take(message: HttpMessage): void {
    this.#received++;
    if (message.last) this.#reusable = false;
    const status = statusOf(message.start);
    if (status < 200) return;
    if (status !== 200) return this.lost(refusal(this.remote, status, message));
    if (this.#receiver !== undefined && this.#answer === undefined) {
      this.#answer = message;
      this.#connection.answered = this;
      return;
    }
    if (this.#inbox.push(message)) return;
    this.#connection.flow.pause();
  }

  /** The connection is not used again. */
  retire(): void {
    this.#reusable = false;
  }

  lost(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#connection.current = undefined;
    this.#finish(error ?? (this.#stream || this.#received > 0 ? undefined : this.#unanswered()));
    this.#release(this.#connection, false);
    this.#connection.flow.end();
  }

  #unanswered(): OctavoError {
    return new OctavoError('unavailable', `${this.remote} closed the connection without an answer`);
  }

  #finish(error: OctavoError | undefined): void {
    this.#over = { error };
    this.#inbox.end(error);
    const receiver = this.#receiver;
    if (receiver !== undefined && this.#answer === undefined) {
      this.#receiver = undefined;
      this.#inbox.takeInto(receiver);
    }
    this.#onClose?.(error);
  }
}

function refusal(address: string, status: number, { body }: HttpMessage): OctavoError {
  const text = Buffer.from(body.subarray(0, 200)).toString('utf8').trim();
  return new OctavoError(
    codeOf(status),
    `${address} answered with the HTTP status ${status}${text && `: ${text}`}`,
  );
}
