import { OctavoError } from '../../core/error.js';
import { writeError } from '../../core/wire-error.js';
import type { Socket } from '../transport.js';
import type { Bus, Parcel } from './bus.js';
import type { Door } from './door.js';
import { malformed } from './header.js';
import { FRAME, numberFrame, readFrame, VERSION, writeFrame, type Frame, type FrameType } from './frame.js';
import { LinkSocket, type LinkPort } from './link-socket.js';
import { octavoAt, type Recipient } from './mailbox.js';
import type { Settings } from './settings.js';

/** After how many intervals without a sign of life the other end is taken for dead. */
const MOST_SILENCE = 3;
/** For how many intervals a link that carries nothing is kept. */
const MOST_IDLE = 30;
/** For how many intervals a link with one of several servers at an address is used, so that those who come later get their share. */
const MOST_SHARED = 15;
/** The number of no socket. What is the answer to the last frame of a link comes under it. */
const LAST = 0;
/** Behind the version in a `welcome`: others listen at this address too. */
const SHARED = 1;

export interface LinkInit {
  readonly bus: Bus;
  readonly settings: Settings;
  /** Where the other end sends to. */
  readonly address: string;
  /** The address that was dialled, or where the other end's frames go. */
  readonly remote: string;
  /** Where the sockets that the other end opens go; none where it was dialled. */
  readonly door?: Door;
  /** Called once, when nothing more goes over it. */
  readonly onGone: () => void;
}

/**
 * What two Octavo peers have in place of a connection: sockets of one door go over it, each end numbers its frames, and each notices when the
 * other dies.
 *
 * A frame that was lost, a peer that is silent, and the server's word that nobody listens, all end it, and all its sockets.
 */
export class Link implements LinkPort, Recipient {
  readonly local: string;
  readonly remote: string;
  readonly settings: Settings;
  readonly #bus: Bus;
  readonly #address: string;
  readonly door: Door | undefined;
  readonly #onGone: () => void;
  readonly #sockets = new Map<number, LinkSocket>();
  /** Where frames go, once it is known. */
  #to: string | undefined;
  #nextSocket = 1;
  #nextOut = 0;
  #nextIn = 0;
  #silence = 0;
  #idle = 0;
  #age = 0;
  #shared = false;
  #closing = false;
  /** Whether the other end is known not to be there. */
  #left = false;
  #gone = false;
  readonly #meeting = new Set<(met: Link | 'nobody' | OctavoError) => void>();

  constructor(init: LinkInit) {
    this.#bus = init.bus;
    this.settings = init.settings;
    this.#address = init.address;
    this.remote = init.remote;
    this.local = init.door?.address ?? init.address;
    this.door = init.door;
    this.#onGone = init.onGone;
  }

  /** Whether sockets can be dialled on it at once. */
  get open(): boolean {
    return this.#to !== undefined && !this.#closing && !this.#gone;
  }

  /** Whether the other end is one of several at its address. */
  get shared(): boolean {
    return this.#shared;
  }

  /** Whether the other end has not answered yet. */
  get asking(): boolean {
    return this.#to === undefined && !this.#gone;
  }

  /** Asks whether there is an Octavo peer at the other end. Throws `unavailable` without a connection. */
  meet(): void {
    try {
      this.#bus.publish(octavoAt(this.remote), writeFrame(FRAME.hello, 0, Buffer.of(VERSION)), this.#address);
    } catch (reason) {
      this.end();
      throw reason;
    }
  }

  /** Answers one who asked, at the address that it gave. */
  welcome(to: string): void {
    this.#to = to;
    this.#send(FRAME.welcome, 0, this.settings.shared ? Buffer.of(VERSION, SHARED) : Buffer.of(VERSION));
  }

  /** Calls `met` once: with this link when the other end answers, with `nobody` when none does, with the error when that comes first. */
  onMet(met: (met: Link | 'nobody' | OctavoError) => void): () => void {
    this.#meeting.add(met);
    return () => {
      this.#meeting.delete(met);
      // One that nobody waits for and nobody answered may have got lost.
      if (this.#meeting.size === 0 && this.#to === undefined) this.end();
    };
  }

  dial(stream: boolean): Socket {
    let id = this.#nextSocket;
    // A link may live long enough for numbers to come again.
    while (id === 0 || this.#sockets.has(id)) id = (id + 1) >>> 0;
    this.#nextSocket = (id + 1) >>> 0;
    return this.#add(new LinkSocket(this, { id, stream, dialled: true }));
  }

  publish(frame: Buffer, opens?: number): void {
    if (this.#to === undefined || this.#gone) return;
    numberFrame(frame, this.#nextOut);
    this.#bus.publish(this.#to, frame, opens === undefined ? this.#address : `${this.#address}.${opens}`);
    this.#nextOut = (this.#nextOut + 1) >>> 0;
  }

  forget(socket: LinkSocket): void {
    this.#sockets.delete(socket.id);
    this.door?.left();
    if (this.#sockets.size === 0 && this.#closing) this.leave();
  }

  /** Takes what came. @param opened the socket whose first message this is about, where it is an answer to one */
  take({ data, reply, refused }: Parcel, opened: number | undefined): void {
    if (this.#gone) return;
    if (refused && this.#to === undefined) return this.end();
    if (refused) return this.#nobody(opened);
    try {
      const frame = readFrame(data);
      if (frame.type === FRAME.gone) return this.#nobody(opened);
      if (this.#shared && !this.#isTheirs(reply)) return this.#sayGone(reply);
      if (frame.number !== this.#nextIn) throw malformed(`frame ${this.#nextIn} was lost`);
      this.#nextIn = (this.#nextIn + 1) >>> 0;
      this.#silence = 0;
      this.#frame(frame, reply);
    } catch (reason) {
      const { message } = OctavoError.from(reason);
      this.leave(new OctavoError('unavailable', `the link with ${this.remote} broke: ${message}`));
    }
  }

  /** Asks for a sign of life, and lets go of what is dead or has nothing to do. */
  tick(): void {
    // Whoever was asked may have died with the question unread.
    if (this.asking) return void (this.#bus.up && this.meet());
    this.#idle = this.#sockets.size === 0 ? this.#idle + 1 : 0;
    if (this.door === undefined && this.#idle > MOST_IDLE) return this.leave();
    if (this.#shared && ++this.#age > MOST_SHARED) {
      this.#closing = true;
      if (this.#sockets.size === 0) return this.leave();
    }
    if (this.#silence >= MOST_SILENCE) {
      const ms = this.#silence * this.settings.keepaliveMs;
      return this.leave(
        new OctavoError('unavailable', `${this.remote} gave no sign of life for ${ms} ms (keepaliveMs)`),
      );
    }
    this.#silence++;
    this.#send(FRAME.ping, 0);
  }

  /** Says that no more sockets are taken in. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#send(FRAME.bye, 0);
    if (this.#sockets.size === 0) this.end();
  }

  /** Tells the other end that nothing more goes over it, and ends it. */
  leave(error?: OctavoError): void {
    if (this.#gone) return;
    this.#sayGone();
    this.end(error);
  }

  /** Ends it here, and all its sockets. */
  end(error?: OctavoError): void {
    if (this.#gone) return;
    this.#gone = true;
    for (const met of [...this.#meeting])
      met(error === undefined ? 'nobody' : new OctavoError(error.code, error.message, { executed: false }));
    this.#meeting.clear();
    for (const socket of [...this.#sockets.values()]) socket.finish(error);
    this.#onGone();
  }

  #frame(frame: Frame, reply: string): void {
    switch (frame.type) {
      case FRAME.welcome:
        return this.#welcomed(reply, frame.rest[1] === SHARED);
      case FRAME.call:
      case FRAME.stream:
        return this.#opened(frame);
      case FRAME.message:
      case FRAME.read:
      case FRAME.end:
      case FRAME.cut:
        // One that has ended here may still be on the other end's mind.
        return this.#sockets.get(frame.socket)?.take(frame);
      case FRAME.ping:
        return this.#send(FRAME.pong, 0);
      case FRAME.bye:
        this.#closing = true;
        if (this.#sockets.size === 0) this.leave();
        return undefined;
      default:
        // A pong, or what a later version says.
        return undefined;
    }
  }

  #welcomed(reply: string, shared: boolean): void {
    if (this.#to !== undefined || this.door !== undefined) throw malformed('an answer without a question');
    if (!this.#bus.isAddress(reply)) throw malformed('an answer that says not where to go on');
    this.#to = reply;
    this.#shared = shared;
    for (const met of [...this.#meeting]) met(this);
    this.#meeting.clear();
  }

  #opened(frame: Frame): void {
    const { socket: id, type } = frame;
    if (this.door === undefined || this.#sockets.has(id)) throw malformed('a socket that cannot be opened');
    const refusal = this.#closing
      ? new OctavoError('unavailable', `nobody listens at ${this.local} any more`, { executed: false })
      : this.door.take(() => {
          const socket = new LinkSocket(this, { id, stream: type === FRAME.stream, dialled: false });
          this.#add(socket);
          socket.take(frame);
          return socket;
        });
    if (refusal !== undefined) this.#send(FRAME.cut, id, writeError(refusal, this.settings.name, true));
  }

  #add(socket: LinkSocket): LinkSocket {
    this.#sockets.set(socket.id, socket);
    this.#idle = 0;
    return socket;
  }

  /**
   * The other end is not there. What it did not get comes back in order, so a frame behind all others comes back when each first message has
   * that did not reach it. What is left may have.
   */
  #nobody(opened: number | undefined): void {
    if (opened === LAST)
      return this.end(
        new OctavoError('unavailable', `the other end of the link with ${this.remote} has gone`),
      );
    if (opened !== undefined) this.#sockets.get(opened)?.refused();
    if (this.#left) return;
    this.#left = this.#closing = true;
    this.#send(FRAME.ping, 0, '', LAST);
  }

  /** Another server at a shared address, that was asked a second time and answers late, may have begun to talk. */
  #isTheirs(reply: string): boolean {
    return reply === this.#to || reply === `${this.#to}.${LAST}`;
  }

  #sayGone(to = this.#to): void {
    if (to === undefined || !this.#bus.isAddress(to)) return;
    try {
      this.#bus.publish(to, writeFrame(FRAME.gone, 0));
    } catch {
      // Without a connection it learns of that by itself.
    }
  }

  #send(type: FrameType, socket: number, rest: Uint8Array | string = '', opens?: number): void {
    try {
      this.publish(writeFrame(type, socket, rest), opens);
    } catch {
      // Without a connection every link ends, here and there.
    }
  }
}
