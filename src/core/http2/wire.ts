import { constants, type Http2Stream } from 'node:http2';
import { Readable } from 'node:stream';
import { OctavoError } from '../error.js';
import { GrpcFrames, type FrameLimits, type GrpcFrame } from '../grpc-frames.js';
import type { MaybePromise } from '../lifecycle.js';
import { attach, type Attached } from './attached.js';
import { Outgoing } from './outgoing.js';
import type { Carried, Session } from './session.js';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** How much may wait unread before the other end is given no more leave to send than it has. */
const ENOUGH = 16 * 1024;

/** Who has the messages of a stream. */
export interface WireOwner {
  /** There may be a message, or there is an error to be had in place of one. */
  arrived(): void;
  /** The other end sends no more, in order, or the stream is cut. Called once. */
  ended(error: OctavoError | undefined): void;
  /** Nothing goes either way any more; with an error where that was not in order. Called once, after {@link ended}. */
  closed?(error: OctavoError | undefined): void;
}

/**
 * One stream of HTTP/2 with the messages of gRPC on it, at either end.
 *
 * What a message is says whoever extends it: `read` makes one of what came, and `write` sends one. Messages are read when somebody takes them
 * by `next`; until then the other end is given no leave to send more than a window. Everything that is told to the owner is told in a turn in
 * which nghttp2 is not at work, but for `arrived` and an orderly `ended`.
 */
export abstract class Wire<M> implements Carried, Attached {
  readonly session: Session;
  /** Whether it is known who the other end is, so that what it says can be read. */
  protected known = true;
  protected readonly stream: Http2Stream;
  /** Whether our side goes on when the other end has ended its own in order. */
  protected readonly goesOn: boolean = false;
  readonly #incoming: GrpcFrames;
  readonly #outgoing: Outgoing;
  #owner: WireOwner;
  /** Whether somebody waits for a message, and whether the other end is given leave to send. */
  #wanted = false;
  #reading = false;
  /** Memory that was taken for a message that is longer than the window. */
  #taken = 0;
  /** When the other end did something last, or we asked something of it, in milliseconds since the epoch. */
  #movedAt: number;
  #ending = false;
  #over = false;
  /** Why we have cut it off. */
  #fault: OctavoError | undefined;

  constructor(session: Session, stream: Http2Stream, owner: WireOwner, limits: FrameLimits) {
    this.session = session;
    this.stream = stream;
    this.#owner = owner;
    this.#incoming = new GrpcFrames(limits);
    this.#movedAt = session.now();
    this.#outgoing = new Outgoing(stream, () => (this.#movedAt = session.now()));
    session.add(this);
    attach(stream, this);
  }

  /** Bytes have come, or the other end's last. Returns whether to go on. */
  pushed(chunk: Buffer | null): boolean {
    if (chunk !== null) return this.#take(chunk);
    Readable.prototype.push.call(this.stream, null);
    this.stream.read(0);
    return false;
  }

  /** All has come. Who cuts it off ends it, too, for Node. */
  endReached(): void {
    if ((this.stream.rstCode ?? NGHTTP2_NO_ERROR) === NGHTTP2_NO_ERROR) this.onEnd();
  }

  /** Takes the stream over from whoever had it. */
  set owner(owner: WireOwner) {
    this.#owner = owner;
  }

  /** Whether nothing that was sent waits to leave. */
  get idle(): boolean {
    return this.#outgoing.idle;
  }

  /**
   * The next message; `undefined` while there is none, and {@link WireOwner.arrived} is called when there is.
   *
   * @throws what is wrong with it: the stream is cut then
   */
  next(): M | undefined {
    this.#wanted = true;
    if (!this.known) return undefined;
    let message: M | undefined;
    try {
      const frame = this.#incoming.next();
      if (frame !== undefined) message = this.read(frame);
      else if (this.#over && this.#incoming.held > 0) throw cutShort(this.session.remote);
    } catch (reason) {
      this.#incoming.clear();
      const error = this.explain(OctavoError.from(reason));
      this.refuse(error);
      throw error;
    }
    if (message !== undefined) {
      this.#wanted = false;
      this.#giveBack();
    }
    this.readOn();
    return message;
  }

  /** Gives the other end leave to send, where there is room for what is to come. */
  readOn(): void {
    if (this.#reading || this.#over || !this.#mayRead()) return;
    this.#reading = true;
    this.#movedAt = this.session.now();
    this.stream._read(0);
  }

  /** Sends a message whose prefix is in `head`, and so may be some of it. A promise means: wait for it before the next one. */
  write(head: Buffer, body: Uint8Array): MaybePromise<void> {
    if (this.#ending || this.stream.destroyed) return;
    if (this.idle) this.#movedAt = this.session.now();
    return this.#outgoing.send(head, body);
  }

  /** Ends our side in order, behind what was sent. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#movedAt = this.session.now();
    this.forget();
    // What comes all the same is thrown away.
    this.readOn();
    this.#outgoing.end(() => this.finish());
  }

  /** Ends our side in order, behind what was sent, and reads on. */
  halfClose(): void {
    if (!this.#ending) this.#outgoing.end(() => this.finish());
  }

  /** Cuts the stream off, whatever waits. */
  cut(): void {
    this.#ending = true;
    this.forget();
    this.#outgoing.letGo();
    this.#reset();
  }

  /** Cuts the stream off, and says why where that can be said. */
  abstract refuse(error: OctavoError): void;

  /** Nobody reads any more. */
  forget(): void {
    this.#incoming.clear();
    this.#giveBack();
    this.#wanted = false;
  }

  /** Cuts the stream off where the other end has taken too long. */
  sweep(now: number): void {
    const { timeoutMs } = this.session.options;
    if (timeoutMs === 0 || now - this.#movedAt < timeoutMs) return;
    if (this.#ending || !this.idle)
      return this.#late(`did not take a message within ${timeoutMs} ms (timeoutMs)`);
    if (this.#incoming.held > 0 && this.#wanted && this.#reading && !this.#over)
      this.#late(`began a message and did not end it within ${timeoutMs} ms (timeoutMs)`);
  }

  /** Makes a message of what came. Throws where it is none: nothing more is read then. */
  protected abstract read(frame: GrpcFrame): M;

  /** What is said of something that came and is not what should. */
  protected explain(error: OctavoError): OctavoError {
    if (error.code === 'resource_exhausted' || error.code === 'unavailable') return error;
    const what = `${this.session.remote} does not speak this protocol: ${error.message}`;
    return new OctavoError('unavailable', what, { cause: error });
  }

  /** Whether the other end sends no more, in order or not. */
  protected get over(): boolean {
    return this.#over;
  }

  /** The other end sends no more. */
  protected abstract onEnd(): void;

  /** Writes what ends our side. */
  protected abstract finish(): void;

  /** The other end is through, in order or not. */
  protected ended(error: OctavoError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    if (error === undefined && this.goesOn) return this.#owner.ended(undefined);
    this.#outgoing.letGo();
    this.#owner.ended(error);
    if (this.#ending) return;
    // Nobody reads there any more.
    this.#ending = true;
    this.#movedAt = this.session.now();
    if (this.idle) this.finish();
    else this.#reset();
  }

  /** Takes what Node has kept of a stream that the other end opened. */
  protected begin(): void {
    const early = this.stream.read() as Buffer | null;
    if (early !== null) this.#take(early);
    this.#reading = false;
    this.readOn();
  }

  /** Looks, by and by, whether a message is there already: for who has just become the owner. */
  protected look(): void {
    if (this.#incoming.held > 0) setImmediate(() => this.#owner.arrived());
    else this.#wanted = true;
  }

  /** Gives a message to who waits for one. */
  protected arrived(): void {
    if (this.#wanted) this.#owner.arrived();
  }

  #take(chunk: Buffer): boolean {
    this.#movedAt = this.session.now();
    if (this.#ending || this.#over) return true;
    this.#incoming.add(chunk);
    this.arrived();
    this.#incoming.settle();
    const may = this.#mayRead();
    if (may) this.readOn();
    else this.#reading = false;
    return may;
  }

  /** Whether there is room for what the other end may send if it is read. */
  #mayRead(): boolean {
    const { held } = this.#incoming;
    if (this.#ending || held < ENOUGH) return true;
    if (!this.#wanted) return false;
    const length = this.#length();
    // A message that came whole is to be taken first.
    if (length === undefined || length <= held) return false;
    if (length <= this.session.options.windowBytes || this.#taken > 0) return true;
    if (!this.session.take(this, length)) return false;
    this.#taken = length;
    return true;
  }

  #length(): number | undefined {
    try {
      return this.#incoming.length();
    } catch {
      // It is refused when it is taken.
      return undefined;
    }
  }

  #giveBack(): void {
    const taken = this.#taken;
    this.#taken = 0;
    if (taken > 0) this.session.give(taken);
  }

  /** HTTP/2 has forgotten the stream. */
  gone(): void {
    this.session.remove(this);
    this.#outgoing.drop();
    this.#giveBack();
    const inOrder =
      this.#over && this.#ending && (this.stream.rstCode ?? NGHTTP2_NO_ERROR) === NGHTTP2_NO_ERROR;
    const error = inOrder ? undefined : this.#why();
    if (!this.#over) this.ended(error);
    this.#owner.closed?.(error);
  }

  #why(): OctavoError {
    const { session, stream } = this;
    if (this.#fault !== undefined) return this.#fault;
    // HTTP/2 promises that of this code: RFC 9113 section 8.7. A farewell is the same for what it did not take.
    if (stream.rstCode === NGHTTP2_REFUSED_STREAM)
      return new OctavoError('unavailable', `${session.remote} did not take the call`, { executed: false });
    return session.error ?? new OctavoError('unavailable', `${session.remote} cut the call off`);
  }

  #reset(): void {
    // Else Node writes an orderly end before the reset, and who reads that first takes the stream for ended in order.
    this.stream._final = (done) => done();
    this.stream.close(NGHTTP2_CANCEL);
  }

  #late(what: string): void {
    const error = new OctavoError('unavailable', `${this.session.remote} ${what}`);
    this.#fault = error;
    this.cut();
    this.ended(error);
  }
}

/** What is left when the other end has ended in the middle of a message. */
function cutShort(remote: string): OctavoError {
  return new OctavoError('unavailable', `${remote} ended in the middle of a message`);
}
