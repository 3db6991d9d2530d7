import type { BatchCodec } from '../../codec/codec.js';
import { OctavoError } from '../../core/error.js';
import { EMPTY, type Message } from '../../core/message.js';
import { Metadata } from '../../core/metadata.js';
import * as mucp from '../../core/mucp.js';
import { quietly } from '../../core/quietly.js';
import type { Socket } from '../../transport/transport.js';

export interface BatchInit {
  readonly socket: Socket;
  readonly codec: BatchCodec;
  readonly contentType: string;
  /** How many calls there are. */
  readonly calls: number;
  /** Bytes that all replies together may have. */
  readonly maxBytes: number;
}

/** The calls of one body: each gets a socket of its own, and their replies leave as one message, in the order of the calls, when all are there. */
export class Batch {
  readonly #init: BatchInit;
  readonly #replies: Uint8Array[];
  readonly #listeners: ((error: OctavoError | undefined) => void)[] = [];
  #left: number;
  #bytes = 0;
  #over: { readonly error: OctavoError | undefined } | undefined;

  constructor(init: BatchInit) {
    this.#init = init;
    this.#left = init.calls;
    this.#replies = Array.from({ length: init.calls }, () => EMPTY);
    init.socket.onClose((error) => {
      this.#over = { error };
      for (const listener of this.#listeners) listener(error);
    });
  }

  /** The socket of the call at a place. */
  part(at: number): Socket {
    const { local, remote, certificate } = this.#init.socket;
    let open = true;
    return {
      local,
      remote,
      certificate,
      send: (message) => this.#keep(at, message),
      receive: () => undefined,
      onClose: (listener) => {
        if (this.#over !== undefined) listener(this.#over.error);
        else this.#listeners.push(listener);
      },
      close: () => {
        if (open && --this.#left === 0) this.#answer();
        open = false;
      },
    };
  }

  #keep(at: number, { header, body }: Message): void {
    const { maxBytes } = this.#init;
    // What went wrong is said in any case: it is short.
    if (this.#bytes + body.length > maxBytes && !header.has(mucp.ERROR))
      throw new OctavoError('resource_exhausted', `the replies of the batch have over ${maxBytes} bytes`);
    this.#bytes += body.length;
    this.#replies[at] = body;
  }

  #answer(): void {
    const { socket, codec, contentType, maxBytes } = this.#init;
    const header = new Metadata([[mucp.CONTENT_TYPE, contentType]]);
    const replies = codec.join(this.#replies);
    const body = replies.length > maxBytes ? this.#tooLong() : replies;
    quietly(() => socket.send({ header, body }));
    socket.close();
  }

  #tooLong(): Uint8Array {
    const { codec, maxBytes } = this.#init;
    const error = new OctavoError(
      'resource_exhausted',
      `the replies of the batch have over ${maxBytes} bytes`,
    );
    return codec.write({ kind: 'error', id: null, service: '', endpoint: '', error }, undefined, undefined);
  }
}
