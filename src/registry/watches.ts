import { OctavoError } from '../core/error.js';
import { Inbox } from '../core/inbox.js';
import type { RegistryEvent, WatchOptions } from './registry.js';

interface Watch {
  readonly wants: (event: RegistryEvent) => boolean;
  /** Takes it off the list, and its listener off the signal. */
  readonly forget: () => void;
}

/** The watches of one registry: each gets the changes it wants, and ends in order. */
export class Watches {
  readonly #registry: string;
  readonly #room: number;
  readonly #onIdle: (() => void) | undefined;
  readonly #open = new Map<Inbox<RegistryEvent>, Watch>();

  /**
   * @param room how many changes wait for a watcher that does not read
   * @param onIdle called when the last one has ended
   */
  constructor(registry: string, room: number, onIdle?: () => void) {
    this.#registry = registry;
    this.#room = room;
    this.#onIdle = onIdle;
  }

  /** Begins one, at once. It ends by its signal, by breaking out of the loop, or with all others. */
  begin({ service, signal }: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const forget = (): void => {
      const open = this.#open.delete(inbox);
      signal?.removeEventListener('abort', end);
      if (open && this.#open.size === 0) this.#onIdle?.();
    };
    const end = (): void => {
      forget();
      inbox.end();
    };
    const inbox = new Inbox<RegistryEvent>(this.#room, undefined, forget);
    const wants = (event: RegistryEvent): boolean => service === undefined || event.service.name === service;
    if (signal?.aborted === true) inbox.end();
    else {
      this.#open.set(inbox, { wants, forget });
      signal?.addEventListener('abort', end);
    }
    return inbox;
  }

  /** Tells those who want to know. One that is too far behind ends with `resource_exhausted`. */
  tell(event: RegistryEvent): void {
    for (const [inbox, { wants, forget }] of [...this.#open]) {
      if (!wants(event) || inbox.push(event)) continue;
      forget();
      inbox.end(
        new OctavoError(
          'resource_exhausted',
          `a watch of the ${this.#registry} registry is ${this.#room} changes behind`,
        ),
      );
    }
  }

  /** Ends all of them, in order or with this error. */
  end(error?: OctavoError): void {
    for (const [inbox, { forget }] of [...this.#open]) {
      forget();
      inbox.end(error);
    }
  }
}
