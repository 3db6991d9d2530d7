import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import type { PeerCertificate } from '../../core/tls.js';
import type { Receiver, Socket } from '../transport.js';

/** What every socket of this transport does alike: who waits for a message gets it, or the end. */
export abstract class GrpcSocket implements Socket {
  abstract readonly local: string;
  abstract readonly remote: string;
  readonly certificate?: PeerCertificate | undefined;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;
  #receiver: Receiver | undefined;

  get over(): boolean {
    return this.#over !== undefined;
  }

  abstract send(message: Message): MaybePromise<void>;
  abstract close(error?: OctavoError): void;

  receive(): MaybePromise<Message | undefined> {
    this.#checkFree();
    const message = this.take();
    if (message !== undefined) return message;
    if (this.#over === undefined)
      return new Promise((received, failed) => {
        this.#receiver = { received, failed };
      });
    if (this.#over.error !== undefined) throw this.#over.error;
    return undefined;
  }

  receiveInto(receiver: Receiver): void {
    this.#checkFree();
    this.#receiver = receiver;
    this.arrived();
    if (this.#over !== undefined) this.#release(this.#over.error);
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  /** Gives the next message to who waits for it. */
  arrived(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    let message: Message | undefined;
    try {
      message = this.take();
    } catch (reason) {
      this.#receiver = undefined;
      receiver.failed(reason);
      return;
    }
    if (message === undefined) return;
    this.#receiver = undefined;
    receiver.received(message);
  }

  /** The next message, where there is one. Throws where what came is none. */
  protected abstract take(): Message | undefined;

  /** It has ended: what came can still be received. */
  protected finish(error: OctavoError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.arrived();
    this.#release(error);
    this.#onClose?.(error);
  }

  #release(error: OctavoError | undefined): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (error !== undefined) receiver?.failed(error);
    else receiver?.received(undefined);
  }

  #checkFree(): void {
    if (this.#receiver !== undefined)
      throw new OctavoError('failed_precondition', 'a receive waits already: await it before the next one');
  }
}
