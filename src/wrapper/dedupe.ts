import type { Clock } from '../core/clock.js';
import { EventContext } from '../core/context.js';
import { OctavoError, RETRY_AFTER } from '../core/error.js';
import type { Lifecycle, MaybePromise } from '../core/lifecycle.js';
import { Bounded } from './bounded.js';
import type { Assembled, Call, Place, Wrapper } from './wrapper.js';

/** Remembers which events were handled. One that several nodes share makes them one consumer. */
export interface DedupeStore {
  /** Takes a key for so long, in milliseconds, in one step: `'claimed'`, or who has it: one that handles it now, or one that has done. */
  claim(key: string, leaseMs: number, clock: Clock): MaybePromise<'claimed' | 'running' | 'done'>;
  /** Says that what was claimed is done, which is remembered for so long, in milliseconds. */
  done(key: string, ttlMs: number, clock: Clock): MaybePromise<void>;
  /** Says that what was claimed was not done. */
  release(key: string): MaybePromise<void>;
  /** As {@link Wrapper.joins}. */
  readonly joins?: (app: Assembled) => Lifecycle;
}

export interface DedupeOptions {
  /** @defaultValue the memory of this process, for 10,000 events */
  readonly store?: DedupeStore;
  /** For how long an event is known, in milliseconds. @defaultValue `600_000` */
  readonly ttlMs?: number;
  /** For how long a handler may work on an event before another may take it over, in milliseconds. @defaultValue `60_000` */
  readonly leaseMs?: number;
  /** What makes two events the same; `undefined` lets one through. @defaultValue the publisher's id of the event */
  readonly key?: (call: Call) => string | undefined;
}

/**
 * Handles each event once, as far as the store knows: one that comes again is acknowledged and goes no further, one that failed is free
 * again. An event without an id goes through.
 */
export function dedupe({
  store = new MemoryDedupeStore(),
  ttlMs = 600_000,
  leaseMs = 60_000,
  key: named = idOf,
}: DedupeOptions = {}): Wrapper {
  const wrapper: Wrapper = async (call, next) => {
    const own = call.kind === 'event' ? named(call) : undefined;
    if (own === undefined || own === '') return next(call);
    const { context, service, endpoint, subscriber = '' } = call;
    const { clock } = context;
    // Each subscriber of a topic is to have the event.
    const key = JSON.stringify([service, subscriber, endpoint, own]);
    const claim = await store.claim(key, leaseMs, clock);
    if (claim === 'done') return { body: undefined };
    if (claim === 'running')
      throw new OctavoError('aborted', `${endpoint}: the event ${own} is handled right now (dedupe)`, {
        executed: false,
        details: [{ type: RETRY_AFTER, ms: leaseMs }],
      });
    try {
      const reply = await next(call);
      await Promise.resolve(store.done(key, ttlMs, clock)).catch((error: unknown) =>
        // The event was handled: to fail now would have it handled again for sure.
        context.log.warn('an event was handled, and cannot be remembered', { id: own, error }),
      );
      return reply;
    } catch (reason) {
      await Promise.resolve(store.release(key)).catch((error: unknown) =>
        context.log.warn('an event was not handled, and stays claimed', { id: own, leaseMs, error }),
      );
      throw reason;
    }
  };
  return Object.assign(wrapper, { unfit, ...(store.joins && { joins: store.joins }) });
}

const EVENTS = 'dedupe stands around subscribers, whose events have ids: put it on their methods';

function unfit({ around, manual }: Place): string | undefined {
  if (around !== 'subscriber') return EVENTS;
  return manual === true
    ? "dedupe takes the return of a handler for its word, which ack: 'manual' does not: use one of them"
    : undefined;
}

function idOf({ context }: Call): string | undefined {
  return context instanceof EventContext ? context.id : undefined;
}

interface Known {
  readonly done: boolean;
  readonly until: number;
}

/** The memory of one process. What is known longest makes room. */
export class MemoryDedupeStore implements DedupeStore {
  readonly #known: Bounded<Known>;

  /** @param most how many events are known at once */
  constructor(most = 10_000) {
    this.#known = new Bounded(most);
  }

  claim(key: string, leaseMs: number, clock: Clock): 'claimed' | 'running' | 'done' {
    const now = clock.now();
    const known = this.#known.get(key);
    if (known !== undefined && now < known.until) return known.done ? 'done' : 'running';
    this.#known.set(key, { done: false, until: now + leaseMs });
    return 'claimed';
  }

  done(key: string, ttlMs: number, clock: Clock): void {
    this.#known.set(key, { done: true, until: clock.now() + ttlMs });
  }

  release(key: string): void {
    this.#known.delete(key);
  }
}
