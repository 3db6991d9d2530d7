import type { OctavoError } from '../../core/error.js';
import { Inbox } from '../../core/inbox.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import type { Socket } from '../transport.js';

/** What the sockets of both kinds have in common: what came and was not read, and an end that is told once. */
export abstract class BusSocket implements Socket {
  abstract readonly local: string;
  abstract readonly remote: string;
  readonly #unread = new Inbox<Message>(Infinity);
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  get over(): boolean {
    return this.#over !== undefined;
  }

  abstract send(message: Message): MaybePromise<void>;
  abstract close(error?: OctavoError): void;

  receive(): MaybePromise<Message | undefined> {
    return this.#unread.take();
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  /** Ends it, here. What came before can still be read. */
  finish(error?: OctavoError): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#unread.end(error);
    this.onFinished();
    this.#onClose?.(error);
  }

  /** Lets go of what the socket holds. */
  protected abstract onFinished(): void;

  /** Messages that came and nobody has read. */
  protected get unread(): number {
    return this.#unread.length;
  }

  /** Keeps a message for the reader. Whether it was read at once, by a receive that waited. */
  protected keep(message: Message): boolean {
    const before = this.#unread.length;
    this.#unread.push(message);
    return this.#unread.length === before;
  }
}
