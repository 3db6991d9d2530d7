import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import type { Socket } from '../transport.js';
import type { Settings } from './settings.js';
import type { BusSocket } from './bus-socket.js';

/** Where the sockets that others open at one address go. */
export class Door {
  readonly address: string;
  readonly #accept: (socket: Socket) => void;
  readonly #maxSockets: number;
  readonly #logger: Logger;
  #open = 0;

  constructor(address: string, accept: (socket: Socket) => void, { maxSockets, logger }: Settings) {
    this.address = address;
    this.#accept = accept;
    this.#maxSockets = maxSockets;
    this.#logger = logger;
  }

  /** Takes a socket in that has its first message, or says why not. */
  take(open: () => BusSocket): OctavoError | undefined {
    if (this.#open >= this.#maxSockets)
      return new OctavoError(
        'resource_exhausted',
        `${this.address} has ${this.#open} calls and streams open: it takes no more (maxSockets)`,
        { executed: false },
      );
    this.#open++;
    const socket = open();
    if (socket.over) return undefined;
    try {
      this.#accept(socket);
    } catch (reason) {
      // It is this socket's misfortune, and not that of others on the same link.
      this.#logger.error('accepting a socket failed', { error: reason, address: this.address });
      socket.close(new OctavoError('internal', 'it could not be accepted'));
    }
    return undefined;
  }

  /** One that was taken in has ended. */
  left(): void {
    this.#open--;
  }
}
