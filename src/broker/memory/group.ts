import type { Timer } from '../../core/clock.js';
import type { Event, Member } from './member.js';

/** How many events are begun in one turn of the event loop: a subscriber that publishes to itself leaves time for the rest. */
const AT_ONCE = 64;

/**
 * The subscribers of one queue, or one that is alone, and the events that wait for them.
 *
 * Whoever is idle takes the next event, in turn, so what one of them leaves behind is for the others. Events of one key are in the hands
 * of one at a time.
 */
export class Group {
  readonly #members = new Set<Member>();
  /** Who was idle longest comes first. */
  readonly #idle: Member[] = [];
  readonly #events: Event[] = [];
  /** Those that were refused, and wait for their time. */
  readonly #refused = new Set<Timer>();
  readonly #keysInHand = new Set<string>();
  #woken = false;
  /** How many more may begin before the event loop goes on. */
  #left = 0;

  get size(): number {
    return this.#members.size;
  }

  /** How many events nobody has begun with. */
  get waiting(): number {
    return this.#events.length + this.#refused.size;
  }

  join(member: Member): void {
    this.#members.add(member);
    this.#idle.push(member);
    this.#wake();
  }

  /** What waits for the last one is gone. */
  leave(member: Member): void {
    this.#members.delete(member);
    const at = this.#idle.indexOf(member);
    if (at >= 0) this.#idle.splice(at, 1);
    if (this.#members.size > 0) return;
    this.#events.length = 0;
    for (const timer of this.#refused) timer.cancel();
    this.#refused.clear();
  }

  push(event: Event): void {
    this.#events.push(event);
    this.#wake();
  }

  /** Begins, but not now: who publishes does not run the subscribers. */
  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    setImmediate(() => {
      this.#woken = false;
      this.#left = AT_ONCE;
      this.#begin();
    });
  }

  #begin(): void {
    for (let event = this.#next(); event !== undefined; event = this.#next()) {
      const member = this.#idle.shift();
      if (member === undefined) return;
      this.#events.splice(this.#events.indexOf(event), 1);
      this.#left--;
      void this.#give(member, event);
    }
  }

  /** The first event that may begin now. */
  #next(): Event | undefined {
    if (this.#idle.length === 0) return undefined;
    const next = this.#events.find(({ key }) => key === undefined || !this.#keysInHand.has(key));
    if (next === undefined || this.#left > 0) return next;
    this.#wake();
    return undefined;
  }

  async #give(member: Member, event: Event): Promise<void> {
    const { key } = event;
    if (key !== undefined) this.#keysInHand.add(key);
    await member.deliver(event, (delayMs) => this.#again(member, event, delayMs));
    if (key !== undefined) this.#keysInHand.delete(key);
    if (this.#members.has(member)) this.#idle.push(member);
    this.#begin();
  }

  /** Has an event come again, to any of the group, behind those that wait by then. */
  #again({ parts: { clock } }: Member, { message, key, attempt }: Event, delayMs: number): void {
    if (this.#members.size === 0) return;
    const timer = clock.after(
      delayMs,
      () => {
        this.#refused.delete(timer);
        this.push({ message, key, attempt: attempt + 1 });
      },
      { background: true },
    );
    this.#refused.add(timer);
  }
}
