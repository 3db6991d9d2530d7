import type { Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { readError } from '../../core/wire-error.js';
import { Call } from './call.js';
import { KIND, readMessage, readRest, setToken, writeMessage } from './datagram.js';
import type { Settings } from './settings.js';

/** The longest wait between two sendings of one call, in milliseconds. */
export const LONGEST_WAIT_MS = 5_000;

/** What a call needs of its link. */
export interface LinkPort {
  readonly local: string;
  readonly remote: string;
  readonly settings: Settings;
  /** What the peer told us to come with. */
  readonly token: string;
  /** An id that no other call has. */
  nextId(): string;
  /** Takes a call in. Throws `resource_exhausted` when there are too many. */
  enter(call: DialledCall): void;
  leave(call: DialledCall): void;
  transmit(call: DialledCall, datagram: Buffer): void;
  cancel(call: DialledCall): void;
}

/** A call as its caller has it. It is sent once, unless it is idempotent. */
export class DialledCall extends Call {
  readonly remote: string;
  readonly #link: LinkPort;
  readonly #idempotent: boolean;
  /** Empty until it is sent. */
  id = '';
  /** What it was sent with last. */
  token = '';
  /** How often it was sent and may have been run. */
  risks = 0;
  #datagram: Buffer | undefined;
  #waitMs: number;
  #again: Timer | undefined;

  constructor(link: LinkPort, idempotent: boolean) {
    super();
    this.#link = link;
    this.#idempotent = idempotent;
    this.remote = link.remote;
    this.#waitMs = link.settings.retransmitMs;
  }

  get local(): string {
    return this.#link.local;
  }

  send(message: Message): void {
    if (this.over) return;
    const { token, settings } = this.#link;
    if (this.#datagram !== undefined)
      throw new OctavoError(
        'failed_precondition',
        'a call over udp is one message each way: dial for another',
      );
    const kind = this.#idempotent ? KIND.idempotent : KIND.call;
    this.id = this.#link.nextId();
    const datagram = writeMessage({ kind, token, id: this.id }, message, settings.limits);
    this.#link.enter(this);
    this.#datagram = datagram;
    this.#transmit(datagram);
  }

  close(): void {
    if (this.over) return;
    if (this.#datagram !== undefined) this.#link.cancel(this);
    this.finish();
  }

  /** Takes what the peer says of it. */
  take(kind: number, bytes: Buffer): void {
    if (kind === KIND.reply) this.#arrive(bytes);
    else if (kind === KIND.end) this.finish();
    else if (kind === KIND.cut) this.finish(readError(readRest(bytes)));
  }

  /** What was sent was not taken in, for want of the token that the link has now. */
  retry(): void {
    if (this.#datagram === undefined) return;
    this.risks--;
    this.#again?.cancel();
    this.#transmit(this.#datagram);
  }

  protected onFinished(): void {
    this.#again?.cancel();
    this.#link.leave(this);
  }

  #transmit(datagram: Buffer): void {
    const { token, settings } = this.#link;
    this.risks++;
    this.token = token;
    setToken(datagram, token);
    this.#link.transmit(this, datagram);
    if (!this.#idempotent) return;
    this.#again = settings.clock.after(this.#waitMs, () => this.#transmit(datagram), { background: true });
    this.#waitMs = Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
  }

  #arrive(bytes: Buffer): void {
    try {
      this.keep(readMessage(bytes, this.#link.settings.limits));
      this.finish();
    } catch (reason) {
      const { code, message } = OctavoError.from(reason);
      const what = `the reply of ${this.remote} cannot be read: ${message}`;
      const over = code === 'resource_exhausted';
      this.finish(new OctavoError(over ? code : 'unavailable', what, { cause: reason }));
    }
  }
}
