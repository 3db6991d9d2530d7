import { randomBytes } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import { formatAddress, parseAddress } from '../../core/address.js';
import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { DialOptions } from '../transport.js';
import { KIND, NO_TOKEN, readHead, readRest, writeDatagram, writeHello } from './datagram.js';
import { DialledCall, LONGEST_WAIT_MS, type LinkPort } from './dialled.js';
import { Port } from './port.js';
import type { Settings } from './settings.js';

const CALLER_BYTES = 8;

/** Somebody who waits for the peer to show that it is there. */
type Waiting = (error: OctavoError | undefined) => void;

/** The calls to one address, over one port of ours. */
export class Link implements LinkPort {
  readonly remote: string;
  readonly settings: Settings;
  token = NO_TOKEN;
  /** When the last call ended, in milliseconds since the epoch. */
  idleSince: number;
  readonly #onOver: () => void;
  readonly #calls = new Map<string, DialledCall>();
  readonly #waiting = new Set<Waiting>();
  /** What we drew, and the number of the next call: nobody guesses the id of a call. */
  readonly #id = Buffer.concat([randomBytes(CALLER_BYTES), Buffer.alloc(4)]);
  readonly #hello: string;
  #next = 0;
  #port: Port | undefined;
  #again: Timer | undefined;
  /** The call whose datagram left last, if that was a call's. */
  #newest: DialledCall | undefined;
  #over = false;

  /**
   * @param onOver called once, when it is of no use any more
   * @throws `invalid_argument` for what is no address
   */
  constructor(remote: string, settings: Settings, onOver: () => void) {
    this.remote = remote;
    this.settings = settings;
    this.idleSince = settings.clock.now();
    this.#onOver = onOver;
    this.#hello = this.nextId();
    const { host, port } = parseAddress(remote);
    void this.#open(host, port);
  }

  get local(): string {
    return this.#port?.address ?? '';
  }

  get idle(): boolean {
    return this.#calls.size === 0 && this.#waiting.size === 0;
  }

  /** A call, when the peer is known to be there. */
  dial(options: DialOptions): MaybePromise<DialledCall> {
    const { idempotent = false } = options;
    if (this.token !== NO_TOKEN) return new DialledCall(this, idempotent);
    this.#checkRoom(this.#waiting.size);
    return this.#met(options).then(() => new DialledCall(this, idempotent));
  }

  nextId(): string {
    this.#id.writeUInt32BE(this.#next, CALLER_BYTES);
    this.#next = (this.#next + 1) % 2 ** 32;
    return this.#id.toString('latin1');
  }

  enter(call: DialledCall): void {
    if (this.#over)
      throw new OctavoError('unavailable', `${this.remote} was left a moment ago`, { executed: false });
    this.#checkRoom(this.#calls.size);
    this.#calls.set(call.id, call);
    if (this.#calls.size === 1) this.#port?.hold(true);
  }

  leave(call: DialledCall): void {
    if (!this.#calls.delete(call.id) || this.#calls.size > 0) return;
    this.idleSince = this.settings.clock.now();
    this.#port?.hold(false);
  }

  transmit(call: DialledCall, datagram: Buffer): void {
    this.#newest = call;
    this.#port?.send(datagram);
  }

  cancel({ id, token }: DialledCall): void {
    this.#newest = undefined;
    this.#port?.send(writeDatagram({ kind: KIND.cancel, token, id }));
  }

  /** Ends it, and every call. */
  async end(error: OctavoError): Promise<void> {
    if (this.#over) return;
    for (const call of this.#calls.values()) this.cancel(call);
    const unsent = new OctavoError(error.code, error.message, { cause: error, executed: false });
    this.#finish(unsent, () => error);
    await this.#port?.close();
  }

  #checkRoom(count: number): void {
    const { maxSockets } = this.settings;
    if (count < maxSockets) return;
    const what = `${maxSockets} calls to ${this.remote} are under way already (maxSockets)`;
    throw new OctavoError('resource_exhausted', what, { executed: false });
  }

  async #open(host: string, port: number): Promise<void> {
    try {
      const opened = await Port.connect(host, port, {
        onDatagram: (bytes, from) => this.#take(bytes, from),
        onError: (cause) => this.#fail(cause),
      });
      if (this.#over) return await opened.close();
      this.#port = opened;
      opened.hold(false);
      this.#greet(opened, this.settings.retransmitMs);
    } catch (cause) {
      this.#fail(cause as Error); // as all that the system rejects with
    }
  }

  /** Asks for a token until there is one. */
  #greet(port: Port, waitMs: number): void {
    port.send(writeHello(this.#hello));
    const next = Math.min(2 * waitMs, LONGEST_WAIT_MS);
    this.#again = this.settings.clock.after(waitMs, () => this.#greet(port, next), { background: true });
  }

  /** Resolves when the peer has shown that it is there. */
  #met({ timeoutMs = 5_000, cancellation }: DialOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      let forget: (() => void) | undefined;
      const settle: Waiting = (error) => {
        this.#waiting.delete(settle);
        timer.cancel();
        forget?.();
        if (error === undefined) return resolve();
        reject(error);
        if (this.token === NO_TOKEN && this.idle) void this.end(error);
      };
      const late = `nobody answered at ${this.remote} within ${timeoutMs} ms`;
      const timer = this.settings.clock.after(timeoutMs, () =>
        settle(new OctavoError('deadline_exceeded', late, { executed: false })),
      );
      this.#waiting.add(settle);
      forget = cancellation?.onCancel(settle);
    });
  }

  #take(bytes: Buffer, from: RemoteInfo): void {
    const { dropped } = this.settings;
    const source = formatAddress(from.address, from.port);
    if (this.#port?.isPeer(from) !== true) return dropped.add('stranger', source);
    const head = readHead(bytes);
    if (head === undefined) return dropped.add('malformed', source);
    if (head.kind === KIND.token && head.id === this.#hello) return this.#welcome(bytes, source);
    const call = this.#calls.get(head.id);
    // The other end repeats what it was sent: an answer to what was sent with another token is none to this.
    if (call?.token !== head.token) return dropped.add('late', source);
    if (head.kind !== KIND.token) return call.take(head.kind, bytes);
    if (this.#learn(bytes, source)) call.retry();
  }

  #welcome(bytes: Buffer, source: string): void {
    // The answer to a hello that was sent again says nothing new.
    if (this.token !== NO_TOKEN) return this.settings.dropped.add('late', source);
    if (!this.#learn(bytes, source)) return;
    this.#again?.cancel();
    for (const settle of this.#waiting) settle(undefined);
  }

  #learn(bytes: Buffer, source: string): boolean {
    const token = readRest(bytes, 'latin1');
    const fine = token.length === NO_TOKEN.length && token !== NO_TOKEN;
    if (fine) this.token = token;
    else this.settings.dropped.add('malformed', source);
    return fine;
  }

  /** Nobody is there, or nothing can be sent there. */
  #fail(cause: Error): void {
    if (this.#over) return;
    const newest = this.#newest;
    const what = `nobody answers at ${this.remote}: ${cause.message}`;
    const unsent = new OctavoError('unavailable', what, { cause, executed: false });
    const perhaps = new OctavoError('unavailable', what, { cause });
    // Who refuses a datagram was gone when it came. A call that was sent before may have been run before.
    this.#finish(unsent, (call) => (call === newest && call.risks === 1 ? unsent : perhaps));
    void this.#port?.close();
  }

  /** Ends what waits with one error, and each call with its own. */
  #finish(waiting: OctavoError, errorOf: (call: DialledCall) => OctavoError): void {
    this.#over = true;
    this.#onOver();
    this.#again?.cancel();
    for (const settle of this.#waiting) settle(waiting);
    for (const call of this.#calls.values()) call.finish(errorOf(call));
  }
}
