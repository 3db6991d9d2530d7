import type { Clock } from '../core/clock.js';
import { OctavoError } from '../core/error.js';
import type { Logger } from '../core/logger.js';
import type { NodeRecord } from './node-record.js';
import { NodeView } from './node-view.js';
import type { RegistryEvent, WatchOptions } from './registry.js';
import { Watches } from './watches.js';

/**
 * Keeps a view true: lists, by {@link NodeView.replace}, then tells it what changes from that point on, until something is lost.
 *
 * It rejects, or just returns, where it has to begin anew, and is called again after a pause. With the signal it ends at once.
 *
 * @param service the one that is followed; all of them without it
 */
export type Follow = (service: string | undefined, view: NodeView, signal: AbortSignal) => Promise<void>;

export interface FollowedNodesParts {
  /** The name of the registry. */
  readonly registry: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly follow: Follow;
}

/** How many changes wait for a watcher that does not read. */
const WATCH_ROOM = 10_000;
/** How long a backend that was lost is left alone, in milliseconds: twice as long each time up to the longest, with jitter. */
const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * The watches of a registry whose backend has to be followed. What somebody watches is listed and followed, and nothing else.
 *
 * A watch ends with the error of its first list, where that fails. Whatever is lost later is found again: what changed meanwhile is told
 * once there is a new list to compare with.
 */
export class FollowedNodes {
  readonly #parts: FollowedNodesParts;
  /** By service; that of all under `undefined`. */
  readonly #followed = new Map<string | undefined, Followed>();

  constructor(parts: FollowedNodesParts) {
    this.#parts = parts;
  }

  watch(options: WatchOptions = {}): AsyncIterable<RegistryEvent> {
    const { service, signal } = options;
    if (signal?.aborted === true) return new Watches(this.#parts.registry, WATCH_ROOM).begin(options);
    let followed = this.#followed.get(service);
    if (followed === undefined) {
      followed = new Followed(service, this.#parts, () => this.#followed.delete(service));
      this.#followed.set(service, followed);
      void followed.run();
    }
    return followed.watches.begin(options);
  }

  /**
   * Resolves when the watches that concern a service have begun: what is done or asked after that is told by them.
   *
   * A registry awaits it before it changes or asks anything.
   */
  async begun(service: string): Promise<void> {
    await Promise.all([this.#followed.get(service)?.begun, this.#followed.get(undefined)?.begun]);
  }

  /** A change that was made from here: see {@link NodeView.own}. */
  own(service: string, key: string, record: NodeRecord | undefined): void {
    this.#followed.get(service)?.view.own(key, record);
    this.#followed.get(undefined)?.view.own(key, record);
  }

  /** Ends every watch. */
  end(): void {
    for (const { watches } of [...this.#followed.values()]) watches.end();
  }
}

/** What is followed for those who watch one service, or all, as long as there are some. */
class Followed {
  readonly view: NodeView;
  readonly watches: Watches;
  /** Resolves with the first list, or when there will be none. */
  readonly begun: Promise<void>;
  readonly #service: string | undefined;
  readonly #parts: FollowedNodesParts;
  readonly #ended = new AbortController();
  #pause = SHORTEST_PAUSE_MS;
  #lost = false;

  constructor(service: string | undefined, parts: FollowedNodesParts, onEnd: () => void) {
    this.#service = service;
    this.#parts = parts;
    let begin = (): void => {};
    this.begun = new Promise((resolve) => (begin = resolve));
    this.watches = new Watches(parts.registry, WATCH_ROOM, () => {
      onEnd();
      this.#ended.abort();
      this.view.close();
      begin();
    });
    this.view = new NodeView({
      clock: parts.clock,
      tell: (event) => this.watches.tell(event),
      onListed: () => {
        begin();
        this.#found();
      },
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      let error: OctavoError | undefined;
      try {
        await this.#parts.follow(this.#service, this.view, signal);
      } catch (reason) {
        error = OctavoError.from(reason);
      }
      if (signal.aborted) return;
      if (!this.view.listed) return this.watches.end(error ?? this.#nothing());
      if (error !== undefined) this.#lose(error);
      await this.#rest(signal);
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const ms = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    try {
      await this.#parts.clock.sleep(ms, signal);
    } catch {
      // Nobody watches any more.
    }
  }

  #lose(error: OctavoError): void {
    const { registry, logger } = this.#parts;
    if (!this.#lost)
      logger.warn('the registry cannot be followed, trying on', {
        registry,
        service: this.#service,
        error,
      });
    this.#lost = true;
  }

  #found(): void {
    const { registry, logger } = this.#parts;
    if (this.#lost) logger.info('the registry is followed again', { registry, service: this.#service });
    this.#lost = false;
    this.#pause = SHORTEST_PAUSE_MS;
  }

  #nothing(): OctavoError {
    return new OctavoError('unavailable', `the ${this.#parts.registry} registry gives no list`);
  }
}
