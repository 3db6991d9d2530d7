import type { Clock } from '../core/clock.js';
import { Deadlines } from '../core/deadlines.js';
import { OctavoError } from '../core/error.js';
import { InHand } from '../core/in-hand.js';

export interface PublishesLimits {
  /** For how long the backend's word is waited for, in milliseconds. */
  readonly timeoutMs: number;
  /** How many are under way at once. */
  readonly maxPublishes: number;
}

/** The publishes of a broker that are under way: so many at once, and each comes to an end in time, whatever the backend does. */
export class Publishes {
  readonly #name: string;
  readonly #limits: PublishesLimits;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  /** What ends each. */
  readonly #underWay = new Set<(reason: OctavoError) => void>();
  readonly #inHand = new InHand();

  /** @param name the broker's */
  constructor(name: string, limits: PublishesLimits, clock: Clock) {
    this.#name = name;
    this.#limits = limits;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
  }

  /**
   * Runs a publish, which resolves when the backend has the event.
   *
   * Rejects with `deadline_exceeded` when that is not within the time, with `cancelled` when the signal aborts, and with `resource_exhausted`
   * for too many at once. In the first two cases the event may or may not be there.
   */
  async run(topic: string, signal: AbortSignal | undefined, publish: () => Promise<unknown>): Promise<void> {
    const { maxPublishes } = this.#limits;
    if (signal?.aborted === true) throw aborted(topic, signal);
    if (this.#underWay.size >= maxPublishes)
      throw new OctavoError(
        'resource_exhausted',
        `${maxPublishes} publishes of the ${this.#name} broker are under way (maxPublishes): "${topic}" has to wait`,
      );
    await this.#inHand.run(() => this.#ended(topic, signal, publish));
  }

  /** Resolves or rejects with the publish, or before, when something ends it. */
  #ended(topic: string, signal: AbortSignal | undefined, publish: () => Promise<unknown>): Promise<void> {
    const { timeoutMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#underWay.delete(fail);
        expiry.leave();
        signal?.removeEventListener('abort', abort);
      };
      const fail = (reason: unknown): void => {
        leave();
        // The broker gives its own errors; what else there is, the caller sees as it is.
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors
        reject(reason);
      };
      const abort = (): void => signal && fail(aborted(topic, signal));
      const expire = (): void => fail(this.#late(topic));
      const expiry = this.#deadlines.add({ expire }, this.#clock.now() + timeoutMs, timeoutMs);
      this.#underWay.add(fail);
      signal?.addEventListener('abort', abort, { once: true });
      publish()
        .then(() => {
          leave();
          resolve();
        })
        .catch(fail);
    });
  }

  /** Waits for those that are under way, so many milliseconds at most, and ends the rest. */
  async endWithin(ms: number): Promise<void> {
    await this.#inHand.idleWithin(ms, this.#clock);
    const reason = new OctavoError(
      'unavailable',
      `the ${this.#name} broker was stopped before the backend answered`,
    );
    for (const fail of [...this.#underWay]) fail(reason);
  }

  #late(topic: string): OctavoError {
    const { timeoutMs } = this.#limits;
    return new OctavoError(
      'deadline_exceeded',
      `the ${this.#name} broker did not confirm an event for "${topic}" within ${timeoutMs} ms (timeoutMs): it may or may not have it`,
    );
  }
}

function aborted(topic: string, { reason }: AbortSignal): OctavoError {
  return new OctavoError('cancelled', `the publish to "${topic}" was aborted`, { cause: reason });
}
