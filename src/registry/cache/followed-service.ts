import type { Clock } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { MaybePromise } from '../../core/lifecycle.js';
import type { Logger } from '../../core/logger.js';
import type { Registry, RegistryEvent, ServiceRecord } from '../registry.js';
import { KnownNodes } from './known-nodes.js';

type Records = readonly ServiceRecord[];

/** How a registry answers. */
export interface Answers {
  asked: number;
  failed: number;
  /** When it last answered, in milliseconds since the epoch; `undefined` before that. */
  at: number | undefined;
}

export interface Following {
  readonly answers: Answers;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ttlMs: number;
  readonly missMs: number;
  readonly waitMs: number;
  readonly staleMs: number;
}

/** The part of an answer's time after which a call has it renewed in the background, so that a busy service never waits for it. */
const RENEWED_AFTER = 0.75;
/** How long a watch that broke off is left alone, in milliseconds: twice as long each time up to the longest, with jitter. */
const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** One service as the cache follows it: a watch, and questions where the watch is not enough. */
export class FollowedService {
  readonly #name: string;
  readonly #parts: Following;
  readonly #known = new KnownNodes();
  readonly #ended = new AbortController();
  /** When the registry last answered; `undefined` while there is nothing to go by. */
  #answeredAt: number | undefined;
  #renewAt = 0;
  #goodUntil = 0;
  /** The one question under way, however many wait for it. */
  #asking: Promise<Records> | undefined;
  /** Those who wait for it no longer than they must. */
  #waiting: Promise<Records> | undefined;
  #failure: OctavoError | undefined;
  #stale = false;
  #usedAt = 0;

  constructor(name: string, parts: Following) {
    this.#name = name;
    this.#parts = parts;
    void this.#follow();
  }

  /** Whether what is given may be out of date, as the registry does not answer. */
  get stale(): boolean {
    return this.#stale;
  }

  /** When it was last asked for. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** What is known, at once where it is good or the registry does not answer. */
  get(): MaybePromise<Records> {
    const now = this.#parts.clock.now();
    this.#usedAt = now;
    if (now < this.#goodUntil) {
      if (this.#answeredAt === undefined && this.#failure !== undefined) return Promise.reject(this.#failure);
      if (now >= this.#renewAt) this.#renew();
      return this.#known.records;
    }
    if (this.#known.size === 0) return this.#ask();
    if (this.#stale) this.#renew();
    else return (this.#waiting ??= this.#patiently().finally(() => (this.#waiting = undefined)));
    return this.#known.records;
  }

  /** A change that the registry reports, or that was made from here and is `certain`. */
  change(event: RegistryEvent, certain = false): void {
    // While it cannot be asked, what it says of nodes that went is not believed: it may have lost its memory.
    const doubted = event.action === 'delete' && this.#failure !== undefined && !certain;
    const before = this.#known.size;
    this.#known.change(event, { later: this.#answeredAt === undefined || doubted });
    const { size } = this.#known;
    const now = this.#parts.clock.now();
    // The first nodes that come are seldom all. Changes do not make the rest of an answer good for longer: nodes die in silence.
    if (before === 0 && size > 0) this.#good(now, this.#parts.missMs, this.#parts.ttlMs);
    if (before > 0 && size === 0) this.#good(now, this.#parts.missMs, this.#parts.missMs);
  }

  /** Ends the watch. Who waits for an answer gets it. */
  end(): void {
    this.#ended.abort();
  }

  #good(now: number, renewAfterMs: number, goodForMs: number): void {
    this.#renewAt = now + renewAfterMs;
    this.#goodUntil = now + goodForMs;
  }

  #renew(): void {
    // A question that fails is told of by those it concerns.
    this.#ask().catch(() => {});
  }

  #ask(): Promise<Records> {
    this.#asking ??= this.#question().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Waits for the answer, but not for long where there is something to go by. */
  async #patiently(): Promise<Records> {
    const { clock, waitMs } = this.#parts;
    const asking = this.#ask();
    const enough = new AbortController();
    const late = (async () => {
      await clock.sleep(waitMs, enough.signal);
      this.#suspect('the registry is slow: its last answer stays in use');
      return this.#known.records;
    })();
    try {
      return await Promise.race([asking, late]);
    } finally {
      enough.abort();
    }
  }

  async #question(): Promise<Records> {
    const { registry, clock, ttlMs, missMs, answers } = this.#parts;
    this.#known.asked();
    answers.asked++;
    try {
      this.#known.answered(await registry.getService(this.#name));
    } catch (reason) {
      answers.failed++;
      return this.#unanswered(OctavoError.from(reason));
    }
    const now = clock.now();
    answers.at = now;
    this.#answeredAt = now;
    this.#failure = undefined;
    const goodForMs = this.#known.size > 0 ? ttlMs : missMs;
    this.#good(now, goodForMs * RENEWED_AFTER, goodForMs);
    if (this.#stale) this.#parts.logger.info('the registry answers again', this.#facts());
    this.#stale = false;
    return this.#known.records;
  }

  #unanswered(failure: OctavoError): Records {
    const { clock, missMs, staleMs } = this.#parts;
    const now = clock.now();
    this.#known.unanswered();
    this.#failure = failure;
    this.#good(now, missMs, missMs);
    if (this.#known.size > 0 && now - (this.#answeredAt ?? -Infinity) < staleMs) {
      this.#suspect('the registry cannot be asked: its last answer stays in use', failure);
      return this.#known.records;
    }
    this.#known.clear();
    this.#answeredAt = undefined;
    this.#stale = false;
    throw failure;
  }

  /** Says it once, until the registry answers again. */
  #suspect(message: string, error?: OctavoError): void {
    if (!this.#stale) this.#parts.logger.warn(message, { ...this.#facts(), ...(error && { error }) });
    this.#stale = true;
  }

  /** Keeps a watch going. What changed between two watches is found by asking once the next one has begun. */
  async #follow(): Promise<void> {
    const { registry, clock, logger } = this.#parts;
    const { signal } = this.#ended;
    let pause = SHORTEST_PAUSE_MS;
    for (let first = true; !signal.aborted; first = false) {
      const began = clock.now();
      try {
        const changes = registry.watch({ service: this.#name, signal });
        if (!first) void this.#askAnew();
        for await (const change of changes) this.change(change);
        if (signal.aborted) return;
        logger.debug('a watch ended', this.#facts());
      } catch (error) {
        if (signal.aborted) return;
        logger.debug('a watch broke off', { ...this.#facts(), error });
      }
      this.#renewAt = 0;
      if (clock.now() - began > LONGEST_PAUSE_MS) pause = SHORTEST_PAUSE_MS;
      try {
        await clock.sleep(pause * (0.5 + Math.random() / 2), signal);
      } catch {
        return;
      }
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /** Asks after the question under way, which left before the watch began. */
  async #askAnew(): Promise<void> {
    await this.#asking?.catch(() => {});
    if (!this.#ended.signal.aborted) this.#renew();
  }

  #facts(): Readonly<Record<string, string>> {
    return { registry: this.#parts.registry.name, service: this.#name };
  }
}
