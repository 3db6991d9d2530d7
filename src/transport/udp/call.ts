import { OctavoError } from '../../core/error.js';
import { Inbox } from '../../core/inbox.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import type { Socket } from '../transport.js';

/** What both ends of a call have in common: one message that comes, and an end that is told once. */
export abstract class Call implements Socket {
  abstract readonly local: string;
  abstract readonly remote: string;
  readonly #inbox = new Inbox<Message>(1);
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  get over(): boolean {
    return this.#over !== undefined;
  }

  abstract send(message: Message): void;
  abstract close(error?: OctavoError): void;

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  /** Ends it, here. What came before can still be read. */
  finish(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#inbox.end(error);
    this.onFinished();
    this.#onClose?.(error);
  }

  /** Lets go of what the call holds. */
  protected abstract onFinished(): void;

  /** Keeps the message that came for the reader. There is no other. */
  protected keep(message: Message): void {
    this.#inbox.push(message);
    this.#inbox.end();
  }
}
