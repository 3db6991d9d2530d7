import type { OctavoError } from '../../core/error.js';
import type { HttpMessage } from '../../core/http-message.js';
import type { Inbox } from '../../core/inbox.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Message } from '../../core/message.js';
import type { PeerCertificate } from '../../core/tls.js';
import type { Socket } from '../transport.js';
import type { Flow, FlowOptions } from './flow.js';
import { checkSize, OK, pack } from './packing.js';
import { plainReply } from './plain.js';
import type { Route } from './routing.js';
import { streamInbox } from './stream-inbox.js';

/** One call or one stream on an accepted connection. */
export class AcceptedSocket implements Socket {
  readonly #inbox: Inbox<Message>;
  readonly #flow: Flow;
  readonly #plain: boolean;
  readonly stream: string | undefined;
  readonly #limits: FlowOptions;
  readonly #release: (end: 'reuse' | 'end' | 'cut') => void;
  #received = 0;
  #sent = 0;
  /** Whether the last message sent was an end. */
  #ended = false;
  #over: { readonly error: OctavoError | undefined } | undefined;
  #onClose: ((error: OctavoError | undefined) => void) | undefined;

  constructor(
    flow: Flow,
    to: Exclude<Route, { kind: 'web' }>,
    first: HttpMessage,
    limits: FlowOptions,
    release: (end: 'reuse' | 'end' | 'cut') => void,
  ) {
    this.#flow = flow;
    this.#plain = to.kind === 'plain';
    this.stream = to.kind === 'micro' ? to.stream : undefined;
    this.#limits = limits;
    this.#release = release;
    this.#inbox = streamInbox(() => flow.resume());
    if (to.kind === 'plain')
      // As from an Octavo peer, so that the error that comes back has all that a plain one can show.
      first.header
        .append('Micro-Service', to.service)
        .append('Micro-Endpoint', to.endpoint)
        .set('Octavo', '1')
        .delete('Accept');
    this.take(first);
  }

  /** Takes a message that is for it. Returns whether there is room for more. */
  take(message: Message): boolean {
    this.#received++;
    return this.#inbox.push(message);
  }

  get local(): string {
    return this.#flow.local;
  }
  get remote(): string {
    return this.#flow.remote;
  }
  get certificate(): PeerCertificate | undefined {
    return this.#flow.secured?.certificate;
  }

  send(message: Message): MaybePromise<void> {
    if (this.#over !== undefined) return;
    checkSize(message, this.#limits);
    const bytes = this.#plain ? plainReply(message) : pack(this.#flow.writer, OK, message, this.#limits);
    this.#sent++;
    this.#ended = message.header.has('Micro-Error');
    return this.#flow.write(bytes);
  }

  receive(): MaybePromise<Message | undefined> {
    return this.#inbox.take();
  }

  onClose(listener: (error: OctavoError | undefined) => void): void {
    this.#onClose = listener;
    if (this.#over !== undefined) listener(this.#over.error);
  }

  close(error?: OctavoError): void {
    if (this.#over !== undefined) {
      this.#release('end');
      return;
    }
    this.#finish(undefined);
    this.#release(error !== undefined ? 'cut' : this.#answered ? 'reuse' : 'end');
  }

  /** The other end has gone, in order or not. */
  lost(error: OctavoError | undefined): void {
    if (this.#over === undefined) this.#finish(error);
  }

  /** Whether it was a call that has its reply. With a stream's id too, which go-micro's client sends along with calls made in a stream's handler. */
  get #answered(): boolean {
    if (this.stream === undefined) return this.#sent > 0;
    return this.#received === 1 && this.#sent === 1 && !this.#ended;
  }

  #finish(error: OctavoError | undefined): void {
    this.#over = { error };
    this.#inbox.end(error);
    this.#onClose?.(error);
  }
}
