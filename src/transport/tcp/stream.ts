import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import type { PeerCertificate } from '../../core/tls.js';
import type { Receiver, Socket } from '../transport.js';
import type { MessageFrame } from './frame-reader.js';
import type { FrameWriter } from './frame-writer.js';
import { CHUNK, type Terms } from './frames.js';

/** What a stream needs of the connection that carries it. */
export interface Carrier {
  readonly local: string;
  readonly remote: string;
  /** What the other end has shown of itself, where it was asked for a certificate. */
  readonly certificate: PeerCertificate | undefined;
  /** What each end takes. */
  readonly terms: Terms;
  readonly peer: Terms;
  /** For how long a message may take to come or to leave, in milliseconds; 0 is for ever. */
  readonly timeoutMs: number;
  readonly writer: FrameWriter;
  now(): number;
  /** Gives a stream its number as its first message leaves. Returns the type of the frame of its next message. */
  number(stream: Stream): number;
  /** Asks for {@link Stream.pump} when there is room in the connection. */
  await(stream: Stream): void;
  /** Takes memory for a long message that is put together. If there is none, {@link Stream.grant} is called when there is. */
  take(stream: Stream, bytes: number): boolean;
  give(bytes: number): void;
  /** A message waits for its reader. */
  keep(message: Kept): void;
  /** The first message of an accepted stream is there. */
  ready(stream: Stream): void;
  /** Nothing more is written on the stream. */
  release(stream: Stream): void;
}

/** A message that waits, whose body is a view of all that was read with it. */
export interface Kept {
  body: Uint8Array;
}

/** A message that came, and what becomes free when it is taken. */
class Received implements Message {
  readonly header: Metadata;
  body: Uint8Array;
  readonly arrivedAt: number;
  charge: number;
  /** Memory that was taken for it. */
  taken = 0;

  constructor(header: Metadata, body: Uint8Array, arrivedAt: number, charge: number) {
    this.header = header;
    this.body = body;
    this.arrivedAt = arrivedAt;
    this.charge = charge;
  }
}

/** A message on its way in, in parts. */
interface Arriving {
  readonly message: Received;
  filled: number;
  /** When something was last done about it, in milliseconds since the epoch. */
  movedAt: number;
}

/** A message that could not leave at once. */
interface Leaving {
  readonly message: Message;
  /** How much of its body has left; negative while its header has not. */
  left: number;
}

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** One call or one stream on a connection that it shares with others. */
export class Stream implements Socket {
  readonly #carrier: Carrier;
  /** Its number on the wire; 0 until the first message leaves. */
  id: number;
  /** Where its connection keeps it until then. */
  place = -1;
  /** The next one in its {@link StreamTable}. */
  behind: Stream | undefined = undefined;
  #accepted: boolean;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  /** What the other end may still send; what it has sent and nobody has taken; the message that comes in parts. */
  #room: number;
  #held = 0;
  #arriving: Arriving | undefined;
  /** The next message, and those behind it. */
  #first: Received | undefined;
  #more: Received[] | undefined;
  #receiver: Receiver | undefined;

  /** What we may still send; what waits for that; since when; and who waits for it. */
  #credit: number;
  #leaving: Leaving[] | undefined;
  #stuckSince = 0;
  #sent: Waiting | undefined;

  /** @param id its number where the other end opened it, else 0 */
  constructor(carrier: Carrier, id: number) {
    this.#carrier = carrier;
    this.id = id;
    this.#accepted = id === 0;
    this.#room = carrier.terms.windowBytes;
    this.#credit = carrier.peer.windowBytes;
  }

  get local(): string {
    return this.#carrier.local;
  }

  get remote(): string {
    return this.#carrier.remote;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#carrier.certificate;
  }

  /** Whether it was closed at this end, or has ended. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  send(message: Message): MaybePromise<void> {
    if (this.#over !== undefined) return;
    const carrier = this.#carrier;
    const { writer } = carrier;
    writer.check(message);
    const { body } = message;
    if (this.#leaving === undefined && this.#credit > 0 && body.length <= CHUNK && !writer.full) {
      const type = carrier.number(this);
      this.#credit -= writer.message(type, this.id, message, body);
      return;
    }
    const { header } = message;
    this.#leaving ??= [];
    if (this.#leaving.length === 0) this.#stuckSince = carrier.now();
    this.#leaving.push({ message: { header: new Metadata(header), body }, left: -1 });
    this.pump();
    if (this.#leaving === undefined) return;
    return (this.#sent ??= waiting()).promise;
  }

  receive(): MaybePromise<Message | undefined> {
    if (this.#first !== undefined) return this.#take(this.#first);
    if (this.#over !== undefined) {
      if (this.#over.error !== undefined) throw this.#over.error;
      return undefined;
    }
    this.#checkFree();
    return new Promise((received, failed) => {
      this.#receiver = { received, failed };
    });
  }

  receiveInto(receiver: Receiver): void {
    if (this.#first !== undefined) receiver.received(this.#take(this.#first));
    else if (this.#over === undefined) {
      this.#checkFree();
      this.#receiver = receiver;
    } else if (this.#over.error !== undefined) receiver.failed(this.#over.error);
    else receiver.received(undefined);
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    const { id } = this;
    if (error === undefined && this.#leaving !== undefined) return this.#finish(undefined);
    this.#leaving = undefined;
    if (id !== 0)
      if (error === undefined) this.#carrier.writer.end(id);
      else this.#carrier.writer.reset(id);
    this.#carrier.release(this);
    this.#finish(undefined);
  }

  /** Writes what waits, as far as there is leave to. */
  pump(): void {
    const carrier = this.#carrier;
    const { writer } = carrier;
    for (let next = this.#leaving?.[0]; next !== undefined; next = this.#leaving?.[0]) {
      if (this.#credit <= 0) return;
      if (writer.full) return carrier.await(this);
      this.#stuckSince = carrier.now();
      const { message } = next;
      const from = Math.max(0, next.left);
      const part = message.body.length <= CHUNK ? message.body : message.body.subarray(from, from + CHUNK);
      if (next.left < 0) {
        writer.check(message);
        const type = carrier.number(this);
        this.#credit -= writer.message(type, this.id, message, part);
      } else {
        this.#credit -= part.length;
        writer.data(this.id, part);
      }
      next.left = from + part.length;
      if (next.left < message.body.length) continue;
      this.#leaving?.shift();
      if (this.#leaving?.length === 0) this.#leaving = undefined;
    }
    this.#letGo();
    if (this.#over === undefined) return;
    writer.end(this.id);
    carrier.release(this);
  }

  /** The other end gives leave to send more. Returns whether it may give so much. */
  credited(bytes: number): boolean {
    this.#credit += bytes;
    if (bytes === 0 || this.#credit > this.#carrier.peer.windowBytes) return false;
    if (this.#leaving !== undefined) this.pump();
    return true;
  }

  /** A message has come, or its beginning. Returns whether it was allowed to. */
  message(frame: MessageFrame, arrivedAt: number): boolean {
    const { charge, part, bodyBytes, last } = frame;
    if (this.#arriving !== undefined || this.#room <= 0) return false;
    this.#room -= charge;
    if (this.#over !== undefined) return true;
    const message = new Received(frame.header, part, arrivedAt, charge);
    if (part.length < bodyBytes) {
      if (last) return false;
      const body = Buffer.allocUnsafeSlow(bodyBytes);
      body.set(part);
      message.body = body;
      this.#arriving = { message, filled: part.length, movedAt: arrivedAt };
      this.grant();
      return true;
    }
    this.#deliver(message, last);
    return true;
  }

  /** More of a body has come. Returns whether it was allowed to. */
  data(piece: Uint8Array, begins: boolean): boolean {
    if (begins && this.#room <= 0) return false;
    this.#room -= piece.length;
    if (this.#over !== undefined) return true;
    const arriving = this.#arriving;
    if (arriving === undefined) return false;
    const { message } = arriving;
    if (piece.length > message.body.length - arriving.filled) return false;
    message.body.set(piece, arriving.filled);
    arriving.filled += piece.length;
    arriving.movedAt = this.#carrier.now();
    message.charge += piece.length;
    if (arriving.filled < message.body.length) {
      this.grant();
      return true;
    }
    this.#arriving = undefined;
    this.#deliver(message, false);
    return true;
  }

  /** The other end has closed, in order or not; or the connection is gone. */
  ended(error: OctavoError | undefined): void {
    this.#leaving = undefined;
    this.#carrier.release(this);
    if (this.#over === undefined) this.#finish(error);
  }

  /** Gives leave to send more, once half the window was used. */
  grant(): void {
    const { windowBytes } = this.#carrier.terms;
    const more = windowBytes - this.#held - this.#room;
    if (more < windowBytes / 2 || this.#over !== undefined) return;
    const arriving = this.#arriving;
    if (arriving !== undefined) {
      const { message } = arriving;
      // What the window itself does not hold has to have its memory before it comes.
      if (message.taken === 0) {
        if (!this.#carrier.take(this, message.body.length)) return;
        message.taken = message.body.length;
      }
      arriving.movedAt = this.#carrier.now();
    }
    this.#room += more;
    this.#carrier.writer.credit(this.id, more);
  }

  /** Cuts the stream off where the other end has taken too long. */
  sweep(now: number): void {
    const { timeoutMs } = this.#carrier;
    if (timeoutMs === 0) return;
    if (this.#leaving !== undefined && now - this.#stuckSince >= timeoutMs)
      return this.#cut(`did not take a message within ${timeoutMs} ms (timeoutMs)`);
    const arriving = this.#arriving;
    if (arriving !== undefined && this.#room > 0 && now - arriving.movedAt >= timeoutMs)
      this.#cut(`began a message and did not end it within ${timeoutMs} ms (timeoutMs)`);
  }

  #cut(what: string): void {
    if (this.id !== 0) this.#carrier.writer.reset(this.id);
    this.ended(new OctavoError('unavailable', `${this.remote} ${what}`));
  }

  #checkFree(): void {
    if (this.#receiver !== undefined)
      throw new OctavoError('failed_precondition', 'a receive waits already: await it before the next one');
  }

  /** @param last whether the other end has closed with it */
  #deliver(message: Received, last: boolean): void {
    const receiver = this.#receiver;
    if (receiver !== undefined) {
      this.#receiver = undefined;
      // Whoever takes it may close the stream, which is to find that it has ended.
      if (last) this.ended(undefined);
      receiver.received(this.#freed(message));
      return;
    }
    this.#store(message);
    if (last) this.ended(undefined);
  }

  #store(message: Received): void {
    this.#held += message.charge;
    if (this.#first === undefined) this.#first = message;
    else (this.#more ??= []).push(message);
    if (!this.#accepted) {
      this.#accepted = true;
      this.#carrier.ready(this);
      // It was taken at once, as most are.
      if (this.#first !== message) return;
    }
    if (message.taken === 0) this.#carrier.keep(message);
  }

  #take(message: Received): Message {
    this.#first = this.#more?.shift();
    this.#held -= message.charge;
    return this.#freed(message);
  }

  #freed(message: Received): Message {
    if (message.taken > 0) {
      this.#carrier.give(message.taken);
      message.taken = 0;
    }
    this.grant();
    return message;
  }

  #finish(error: OctavoError | undefined): void {
    this.#over = { error };
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (this.#arriving !== undefined) this.#giveBack(this.#arriving.message);
    this.#arriving = undefined;
    if (this.#first !== undefined) this.#giveBack(this.#first);
    for (const each of this.#more ?? []) this.#giveBack(each);
    this.#letGo();
    if (error !== undefined) receiver?.failed(error);
    else receiver?.received(undefined);
    this.#onClose?.(error);
  }

  /** Nobody else is to wait because this stream was left with messages unread. */
  #giveBack(message: Received): void {
    if (message.taken > 0) this.#carrier.give(message.taken);
    message.taken = 0;
  }

  #letGo(): void {
    this.#sent?.resolve();
    this.#sent = undefined;
  }
}

function waiting(): Waiting {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
