import { OctavoError } from '../../core/error.js';
import type { Message } from '../../core/message.js';
import { writeError } from '../../core/wire-error.js';
import { Call } from './call.js';
import { KIND, writeDatagram, writeMessage, type Head } from './datagram.js';
import type { Settings } from './settings.js';

export interface AcceptedInit {
  readonly local: string;
  readonly remote: string;
  readonly settings: Settings;
  /** The head of what came, which answers repeat. */
  readonly head: Head;
  /** Called once at the end. @param answer what the caller is to be told; nothing where it does not wait any more */
  readonly onAnswer: (answer?: Buffer) => void;
}

/** A call as the listener has it. Its reply, or its end without one, is one datagram. */
export class AcceptedCall extends Call {
  readonly local: string;
  readonly remote: string;
  readonly #init: AcceptedInit;
  #answer: Buffer | undefined;

  constructor(init: AcceptedInit, message: Message) {
    super();
    this.#init = init;
    this.local = init.local;
    this.remote = init.remote;
    this.keep(message);
  }

  send(message: Message): void {
    if (this.over) return;
    const { head, settings } = this.#init;
    this.#answer = writeMessage({ ...head, kind: KIND.reply }, message, settings.limits);
    this.finish();
  }

  close(error?: OctavoError): void {
    if (this.over) return;
    const { head } = this.#init;
    this.#answer =
      error === undefined
        ? writeDatagram({ ...head, kind: KIND.end })
        : cut(head, new OctavoError('unavailable', `${this.local} cut the call off: ${error.message}`));
    this.finish();
  }

  /** Ends both ends, for a reason of ours. */
  cut(error: OctavoError): void {
    if (this.over) return;
    this.#answer = cut(this.#init.head, error);
    this.finish(error);
  }

  protected onFinished(): void {
    this.#init.onAnswer(this.#answer);
  }
}

/** What tells a caller that its call failed, or was not taken in. */
export function cut(head: Head, error: OctavoError): Buffer {
  return writeDatagram({ ...head, kind: KIND.cut }, writeError(error, 'udp', true));
}
