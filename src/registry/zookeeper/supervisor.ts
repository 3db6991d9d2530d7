import type { Clock, Timer } from '../../core/clock.js';
import { OctavoError } from '../../core/error.js';
import type { Logger } from '../../core/logger.js';
import { peer } from '../../core/peer.js';
import type { Dialler } from './dialler.js';
import { Link, type Library, type LinkOptions } from './link.js';

export interface SupervisorParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dialler: Dialler;
}

export interface SupervisorOptions extends LinkOptions {
  /** How long the start looks for a server, in milliseconds. */
  readonly connectTimeoutMs: number;
}

/** How often an attempt to connect that has no answer is broken off, and after how many of these times the client is replaced. */
const NUDGE_MS = 1_250;
const NUDGES = 3;
/** How long after a client that gave up the next one is made. */
const AGAIN_MS = 100;

/**
 * Keeps a session with ZooKeeper: replaces the library's client whenever it is stuck, given up, or talks to a server that does not answer.
 *
 * The library has no limit of its own for any of these, and says nothing of a server that came back empty, which refuses it for ever.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #parts: SupervisorParts;
  readonly #onUp: (link: Link) => void;
  #library: Library | undefined;
  #link: Link | undefined;
  /** Of the connection there is; aborted when it is lost. */
  #connected: AbortController | undefined;
  /** Of a link that is not up: when it is replaced. Of one that is: when it is asked for a sign of life. */
  #timer: Timer | undefined;
  /** Those who wait for a connection. */
  readonly #hopeful = new Set<() => void>();
  /** Counts starts and stops, so that a start notices that it was overtaken. */
  #turn = 0;
  #starting: { resolve: () => void; reject: (error: OctavoError) => void } | undefined;

  /** @param onUp called with each session, and again when its connection was lost and is back: watches have to be set anew */
  constructor(options: SupervisorOptions, parts: SupervisorParts, onUp: (link: Link) => void) {
    this.#options = options;
    this.#parts = parts;
    this.#onUp = onUp;
  }

  /** The connection that works. Throws `unavailable` while there is none. */
  get link(): Link {
    if (this.#link !== undefined && this.#connected !== undefined) return this.#link;
    throw new OctavoError(
      this.#library === undefined ? 'failed_precondition' : 'unavailable',
      this.#library === undefined
        ? 'the zookeeper registry is not started: call start() first'
        : `the zookeeper registry has no ZooKeeper server at ${this.#where}: the connection is down`,
    );
  }

  /** Resolves once there is a connection, or by the signal. */
  async soon(signal: AbortSignal): Promise<void> {
    if (this.#connected !== undefined || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        signal.removeEventListener('abort', end);
        this.#hopeful.delete(end);
        resolve();
      };
      signal.addEventListener('abort', end);
      this.#hopeful.add(end);
    });
  }

  /** Aborts when the connection there is is lost. */
  get connected(): AbortSignal {
    return this.#connected?.signal ?? AbortSignal.abort();
  }

  /**
   * Rejects with `unavailable`, saying what was tried for how long, when there is no server, and with what `check` says of the first session.
   */
  async start(check: (link: Link) => Promise<void>): Promise<void> {
    const turn = ++this.#turn;
    try {
      await this.#parts.dialler.start();
      const library = await peer(
        'the zookeeper registry',
        'node-zookeeper-client',
        () => import('node-zookeeper-client'),
      );
      this.#current(turn);
      this.#library = library;
      await this.#connect();
      await check(this.link);
      this.#current(turn);
    } catch (error) {
      if (turn === this.#turn) this.stop();
      throw error;
    }
  }

  stop(): void {
    this.#turn++;
    this.#starting?.reject(this.#stopped());
    this.#drop();
    this.#parts.dialler.stop();
    this.#library = undefined;
  }

  async #connect(): Promise<void> {
    const { connectTimeoutMs } = this.#options;
    const { clock, dialler } = this.#parts;
    const late = (): void =>
      this.#starting?.reject(
        new OctavoError(
          'unavailable',
          `the zookeeper registry found no ZooKeeper server at ${this.#where} within ${connectTimeoutMs} ms: ${dialler.failure ?? 'no answer'}: start one, or set addresses`,
        ),
      );
    const timer = clock.after(connectTimeoutMs, late);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#starting = { resolve, reject };
        this.#make();
      });
    } finally {
      timer.cancel();
      this.#starting = undefined;
    }
  }

  /** @throws `unavailable` where this start was overtaken */
  #current(turn: number): void {
    if (turn !== this.#turn) throw this.#stopped();
  }

  #stopped(): OctavoError {
    return new OctavoError(
      'unavailable',
      `the zookeeper registry was stopped while it connected to ${this.#where}`,
    );
  }

  get #where(): string {
    return this.#options.servers.map(({ shown }) => shown).join(', ');
  }

  #make(): void {
    if (this.#library === undefined) return;
    const link = new Link(
      this.#options,
      { ...this.#parts, library: this.#library },
      {
        up: () => link === this.#link && this.#came(link),
        down: () => link === this.#link && this.#went(link),
        over: () => link === this.#link && this.#replace('its session has ended', AGAIN_MS),
      },
    );
    this.#link = link;
    this.#push(link, 'it could not connect');
    link.connect();
  }

  #drop(): void {
    this.#timer?.cancel();
    this.#lose();
    const link = this.#link;
    this.#link = undefined;
    link?.drop();
  }

  #replace(why: string, afterMs = 0): void {
    this.#parts.logger.debug('a ZooKeeper client is replaced', { server: this.#where, why });
    this.#drop();
    this.#wait(afterMs, () => this.#make());
  }

  #came(link: Link): void {
    const again = this.#starting === undefined;
    this.#lose();
    this.#connected = new AbortController();
    if (again) this.#parts.logger.info('connected to ZooKeeper again', { server: this.#where });
    this.#beat(link);
    this.#starting?.resolve();
    this.#onUp(link);
    for (const resolve of [...this.#hopeful]) resolve();
  }

  #went(link: Link): void {
    if (this.#lose()) this.#parts.logger.warn('disconnected from ZooKeeper', { server: this.#where });
    this.#push(link, 'it did not come back');
  }

  #push(link: Link, why: string, times = 1): void {
    this.#wait(NUDGE_MS, () => {
      if (times >= NUDGES) return this.#replace(why);
      link.nudge();
      this.#push(link, why, times + 1);
    });
  }

  /** Whether there was a connection to lose. */
  #lose(): boolean {
    const connected = this.#connected;
    this.#connected = undefined;
    connected?.abort();
    return connected !== undefined;
  }

  /** Three times in a session's time, so that a server that hangs is noticed before it has forgotten us. */
  #beat(link: Link): void {
    const ms = link.sessionTimeoutMs / 3;
    this.#wait(ms, () => void this.#look(link, ms));
  }

  async #look(link: Link, withinMs: number): Promise<void> {
    const alive = await link.answers(withinMs);
    if (link !== this.#link || this.#connected === undefined) return;
    if (alive) return this.#beat(link);
    this.#parts.logger.warn('ZooKeeper does not answer', { server: this.#where });
    this.#replace('it does not answer');
  }

  #wait(ms: number, run: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(ms, run, { background: true });
  }
}
