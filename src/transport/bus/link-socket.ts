import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import { isPromise, type MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import { readError, writeError } from '../../core/wire-error.js';
import { excess } from '../limits.js';
import { FRAME, readCount, readMessage, writeCount, writeFrame, writeMessage, type Frame } from './frame.js';
import type { Settings } from './settings.js';
import { BusSocket } from './bus-socket.js';
import { Arrived, Sent } from './window.js';

/** What a socket needs of its link. */
export interface LinkPort {
  readonly local: string;
  readonly remote: string;
  readonly settings: Settings;
  /** Sends a frame to the other end. Throws `unavailable` without a connection, `resource_exhausted` for one that is too large. */
  publish(frame: Buffer, opens?: number): void;
  forget(socket: LinkSocket): void;
}

export interface LinkSocketInit {
  readonly id: number;
  /** Whether more than one message goes either way. */
  readonly stream: boolean;
  /** Whether it was dialled here. */
  readonly dialled: boolean;
}

/** One call or one stream between Octavo peers. */
export class LinkSocket extends BusSocket {
  readonly id: number;
  readonly local: string;
  readonly remote: string;
  readonly #link: LinkPort;
  readonly #stream: boolean;
  readonly #dialled: boolean;
  readonly #sent = new Sent();
  readonly #arrived = new Arrived();
  /** Whether a message of ours has left. */
  #spoke = false;
  #patience: Timer | undefined;

  constructor(link: LinkPort, { id, stream, dialled }: LinkSocketInit) {
    super();
    this.#link = link;
    this.id = id;
    this.local = link.local;
    this.remote = link.remote;
    this.#stream = stream;
    this.#dialled = dialled;
  }

  send(message: Message): MaybePromise<void> {
    if (this.over) return;
    const over = excess(message, this.#link.settings.limits);
    if (over !== undefined) throw over;
    const opens = this.#dialled && !this.#spoke;
    const type = !opens ? FRAME.message : this.#stream ? FRAME.stream : FRAME.call;
    try {
      this.#link.publish(writeMessage(type, this.id, message), opens ? this.id : undefined);
    } catch (reason) {
      const error = OctavoError.from(reason);
      if (error.code === 'resource_exhausted') throw error;
      return this.finish(opens ? error : new OctavoError(error.code, error.message, { cause: error }));
    }
    this.#spoke = true;
    if (!this.#stream) return;
    const room = this.#sent.add(message.body.length);
    if (isPromise(room)) return this.#wait(room);
  }

  override receive(): MaybePromise<Message | undefined> {
    const received = super.receive();
    // One that is waited for is counted when it comes.
    if (this.#stream && received !== undefined && !isPromise(received)) this.#read(received);
    return received;
  }

  close(error?: OctavoError): void {
    if (this.over) return;
    // The reply of a call ends it at the other side.
    const answered = !this.#stream && !this.#dialled && this.#spoke;
    const silent = this.#dialled && !this.#spoke;
    if (error !== undefined && !silent)
      this.#tell(
        FRAME.cut,
        writeError(
          new OctavoError('unavailable', `${this.local} cut the connection: ${error.message}`),
          this.#link.settings.name,
          true,
        ),
      );
    else if (!answered && !silent) this.#tell(FRAME.end);
    this.finish();
  }

  /** Takes what the other end says of this socket. Throws `invalid_argument` for what makes no sense. */
  take({ type, rest }: Frame): void {
    if (type === FRAME.end) this.finish();
    else if (type === FRAME.cut) this.finish(readError(rest.toString('utf8')));
    else if (type === FRAME.read) this.#sent.read(readCount(rest));
    else this.#arrive(rest);
  }

  /** Ends both ends, for a reason of ours. */
  cut(error: OctavoError): void {
    this.#tell(FRAME.cut, writeError(error, this.#link.settings.name, true));
    this.finish(error);
  }

  /** Nobody is there for its first message. */
  refused(): void {
    this.finish(
      new OctavoError('unavailable', `nobody listens at ${this.remote} any more`, { executed: false }),
    );
  }

  protected onFinished(): void {
    this.#patience?.cancel();
    this.#sent.release();
    this.#link.forget(this);
  }

  #arrive(rest: Buffer): void {
    const { limits } = this.#link.settings;
    let message: Message;
    try {
      message = readMessage(rest, limits.maxHeaderBytes);
    } catch (reason) {
      return this.cut(OctavoError.from(reason));
    }
    const over = excess(message, limits);
    if (over !== undefined) return this.cut(over);
    if (this.#stream && this.#arrived.add(message.body.length, limits.maxMessageBytes))
      return this.cut(
        new OctavoError('resource_exhausted', `${this.remote} goes on sending though nobody reads`),
      );
    const read = this.keep(message);
    if (this.#stream && read) this.#read(message);
    if (!this.#stream && this.#dialled) this.finish();
  }

  #read({ body }: Message): void {
    const count = this.#arrived.read(body.length);
    if (count !== undefined && !this.over) this.#tell(FRAME.read, writeCount(count));
  }

  #tell(type: typeof FRAME.end | typeof FRAME.cut | typeof FRAME.read, rest: Uint8Array | string = ''): void {
    try {
      this.#link.publish(writeFrame(type, this.id, rest));
    } catch {
      // Without a connection every socket ends, here and there.
    }
  }

  /** Waits for room, but not for ever. */
  #wait(room: Promise<void>): Promise<void> {
    const { clock, timeoutMs } = this.#link.settings;
    if (timeoutMs !== 0)
      this.#patience ??= clock.after(
        timeoutMs,
        () => this.cut(new OctavoError('unavailable', `nobody read for ${timeoutMs} ms (timeoutMs)`)),
        { background: true },
      );
    return room.then(() => {
      this.#patience?.cancel();
      this.#patience = undefined;
    });
  }
}
