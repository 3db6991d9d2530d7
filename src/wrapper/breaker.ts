import { OctavoError, RETRY_AFTER, type Code } from '../core/error.js';
import { Bounded } from './bounded.js';
import { untilEnd } from './ending.js';
import { nameOf, type NamedBy } from './named-by.js';
import type { Call, Reading, Wrapper } from './wrapper.js';

export interface BreakerOptions {
  /** What has a breaker of its own: `'service'`, `'endpoint'`, `'node'` (in `callWrappers`), or as a function says. @defaultValue `'service'` */
  readonly by?: NamedBy;
  /** Opens after so many failures in a row. @defaultValue `5`, or never where a `ratio` is given */
  readonly failures?: number;
  /** Opens when so large a share of the calls of the window failed, from 0 to 1. @defaultValue none */
  readonly ratio?: number;
  /** How many calls a window must have for the `ratio` to count. @defaultValue `20` */
  readonly minimum?: number;
  /** Over which the `ratio` is taken, in milliseconds. @defaultValue `10_000` */
  readonly windowMs?: number;
  /** For how long it refuses before it lets one call through to see, in milliseconds. @defaultValue `10_000` */
  readonly openMs?: number;
  /** The codes that count as failures; `cancelled` and what was not executed count as nothing, every other as a success. @defaultValue `unavailable`, `deadline_exceeded`, `internal`, `unknown`, `data_loss` */
  readonly codes?: readonly Code[];
  /** How many names it knows; the one that was asked for longest ago is forgotten. @defaultValue `1_000` */
  readonly maxNames?: number;
  /** Is told of each change. */
  readonly onChange?: (name: string, state: BreakerState) => void;
}

/** `closed` lets calls through, `open` refuses them, `half-open` waits for how the one call ends that was let through. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** A wrapper that shows what is open. */
export interface Breaker extends Wrapper {
  /** The state under each name that it knows. */
  states(): ReadonlyMap<string, BreakerState>;
}

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const;

const FAILURES: readonly Code[] = ['unavailable', 'deadline_exceeded', 'internal', 'unknown', 'data_loss'];

/** Stops calling what fails, and tries it again with one call after a while. What it refuses is `unavailable`, unexecuted, with `retry_after`. */
export function breaker(options: BreakerOptions = {}): Breaker {
  const { by = 'service', codes = FAILURES, maxNames = 1_000 } = options;
  const circuits = new Bounded<Circuit>(maxNames);
  const wrapper: Wrapper = async (call, next) => {
    const name = nameOf(call, by);
    let circuit = circuits.get(name);
    if (circuit === undefined) circuits.set(name, (circuit = new Circuit(name, options)));
    return untilEnd(call, next, circuit.admit(call, codes));
  };
  return Object.assign(wrapper, {
    states: () => new Map([...circuits].map(([name, { state }]) => [name, state])),
    *readings(): Iterable<Reading> {
      for (const [name, { state }] of circuits) yield { what: 'breaker_state', name, value: STATES[state] };
    },
  });
}

/** How the calls under one name went, and whether there may be more. */
class Circuit {
  state: BreakerState = 'closed';
  readonly #name: string;
  readonly #options: BreakerOptions;
  #inRow = 0;
  #calls = 0;
  #failed = 0;
  #windowEnd = 0;
  /** When the next probe may be made. */
  #until = 0;

  constructor(name: string, options: BreakerOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** Lets a call in, and tells whom its end is for. */
  admit(call: Call, codes: readonly Code[]): Admitted {
    const now = call.context.clock.now();
    if (this.state === 'closed') return new Admitted(this, call, codes, false);
    if (now < this.#until) {
      const ms = Math.max(0, Math.ceil(this.#until - now));
      throw new OctavoError(
        'unavailable',
        `${call.service} ${call.endpoint}: the breaker ${this.#name === '' ? '' : `of ${this.#name} `}is open after too many failures`,
        { executed: false, details: [{ type: RETRY_AFTER, ms }] },
      );
    }
    // One that is not heard of for as long again is followed by another.
    this.#until = now + this.#openMs;
    this.#change('half-open', call);
    return new Admitted(this, call, codes, true);
  }

  get #openMs(): number {
    return this.#options.openMs ?? 10_000;
  }

  /** @param failed `undefined` where a call says nothing of the other end */
  ended(call: Call, failed: boolean | undefined, probe: boolean): void {
    const now = call.context.clock.now();
    if (probe) {
      if (this.state !== 'half-open') return;
      if (failed === true) return this.#open(call, now);
      if (failed === false) return this.#close(call);
      // It says nothing: the next call is to try.
      this.#until = now;
      this.#change('open', call);
    } else if (this.state === 'closed' && failed !== undefined && this.#count(failed, now))
      this.#open(call, now);
  }

  /** Whether this is one failure too many. */
  #count(failed: boolean, now: number): boolean {
    const {
      ratio,
      failures = ratio === undefined ? 5 : Infinity,
      minimum = 20,
      windowMs = 10_000,
    } = this.#options;
    this.#inRow = failed ? this.#inRow + 1 : 0;
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + windowMs;
      this.#calls = 0;
      this.#failed = 0;
    }
    this.#calls++;
    if (failed) this.#failed++;
    if (this.#inRow >= failures) return true;
    return ratio !== undefined && this.#calls >= minimum && this.#failed >= ratio * this.#calls;
  }

  #open(call: Call, now: number): void {
    this.#until = now + this.#openMs;
    this.#change('open', call);
  }

  #close(call: Call): void {
    this.#inRow = 0;
    this.#windowEnd = 0;
    this.#change('closed', call);
  }

  #change(state: BreakerState, { context }: Call): void {
    this.state = state;
    const log = state === 'open' ? 'warn' : 'info';
    context.log[log]('a breaker changed', { breaker: this.#name, state });
    this.#options.onChange?.(this.#name, state);
  }
}

/** A call that was let in, until it is known how it went. */
class Admitted {
  readonly #circuit: Circuit;
  readonly #call: Call;
  readonly #codes: readonly Code[];
  #probe: boolean;

  constructor(circuit: Circuit, call: Call, codes: readonly Code[], probe: boolean) {
    this.#circuit = circuit;
    this.#call = call;
    this.#codes = codes;
    this.#probe = probe;
  }

  /** A stream that gives an item works, as far as a probe is concerned: it may go on for days. */
  item(): void {
    if (this.#probe) this.#told(false);
  }

  ended(error: OctavoError | undefined): void {
    if (error === undefined) return this.#told(false);
    const failed = this.#codes.includes(error.code);
    // What never got there says nothing of who is there.
    const silent = !failed && (error.code === 'cancelled' || error.executed === false);
    this.#told(silent ? undefined : failed);
  }

  #told(failed: boolean | undefined): void {
    const probe = this.#probe;
    this.#probe = false;
    this.#circuit.ended(this.#call, failed, probe);
  }
}
