import type { Code } from '../core/error.js';
import { peer } from '../core/peer.js';
import { untilEnd } from './ending.js';
import type { Call, Wrapper } from './wrapper.js';

export interface MetricsOptions {
  /** What the names of all metrics begin with. @defaultValue `'octavo_'` */
  readonly prefix?: string;
  /** The upper ends of the histogram of durations, in seconds. @defaultValue from 1 ms to 10 s */
  readonly buckets?: readonly number[];
  /** How many endpoints are told apart; more of them are counted as `other`. @defaultValue `500` */
  readonly maxEndpoints?: number;
  /** Breakers whose states are shown, by what they are called. @defaultValue none */
  readonly breakers?: Readonly<Record<string, ShowsStates>>;
}

/** A breaker, as far as its states are concerned. */
export interface ShowsStates {
  states(): ReadonlyMap<string, 'closed' | 'half-open' | 'open'>;
}

/** A wrapper that shows what it counted. */
export interface Metrics extends Wrapper {
  /** The content type of {@link text}. */
  readonly contentType: string;
  /** Everything in the text format of Prometheus. */
  text(): Promise<string>;
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const STATES = { closed: 0, 'half-open': 1, open: 2 };

/** How many breakers' names are shown. */
const MOST_NAMES = 1_000;

/** Counts calls, streams and events, and how long they take, for Prometheus. Needs `npm install prom-client`. */
export async function metrics(options: MetricsOptions = {}): Promise<Metrics> {
  const { prefix = 'octavo_', buckets = BUCKETS, maxEndpoints = 500, breakers = {} } = options;
  const { Counter, Gauge, Histogram, Registry } = await peer(
    'the metrics wrapper',
    'prom-client',
    () => import('prom-client'),
  );
  const registry = new Registry();
  const registers = [registry];
  const series = new AllSeries(maxEndpoints);
  // What is counted here is handed over when somebody asks: with its labels each time it would cost more than the rest of a call.
  new Counter({
    name: `${prefix}calls_total`,
    help: 'Calls, attempts, streams and deliveries of events that have ended.',
    labelNames: [...WHERE, 'kind', 'code'],
    registers,
    collect() {
      this.reset();
      for (const { where, kind, codes } of series)
        for (const [code, count] of codes) this.inc({ ...where, kind, code }, count);
    },
  });
  const durations = new Histogram({
    name: `${prefix}call_duration_seconds`,
    help: 'How long they took.',
    labelNames: [...WHERE, 'kind'],
    buckets: [...buckets],
    registers,
  });
  new Gauge({
    name: `${prefix}calls_in_flight`,
    help: 'Those that have not ended.',
    labelNames: WHERE,
    registers,
    collect() {
      this.reset();
      for (const { where, inFlight } of series) this.inc(where, inFlight);
    },
  });
  new Counter({
    name: `${prefix}stream_items_total`,
    help: 'Items of replies that are streams.',
    labelNames: WHERE,
    registers,
    collect() {
      this.reset();
      for (const { where, items } of series) if (items > 0) this.inc(where, items);
    },
  });
  new Gauge({
    name: `${prefix}breaker_state`,
    help: 'The state of breakers: 0 closed, 1 half-open, 2 open.',
    labelNames: ['breaker', 'name'],
    registers,
    collect() {
      this.reset();
      for (const [breaker, each] of Object.entries(breakers))
        for (const [name, state] of [...each.states()].slice(0, MOST_NAMES))
          this.set({ breaker, name }, STATES[state]);
    },
  });
  const wrapper: Wrapper = (call, next) => {
    const { clock } = call.context;
    const begun = clock.now();
    const one = series.of(call);
    one.inFlight++;
    return untilEnd(call, next, {
      item: () => one.items++,
      ended: (error) => {
        one.inFlight--;
        one.count(error?.code ?? 'ok');
        durations.observe(one.timed, (clock.now() - begun) / 1_000);
      },
    });
  };
  const text = (): Promise<string> => registry.metrics();
  return Object.assign(wrapper, {
    contentType: registry.contentType,
    text,
    exposes: { prefix, text },
  });
}

const WHERE = ['around', 'service', 'endpoint'] as const;

/** What was counted of one kind of call at one place. */
class Series {
  readonly where: Readonly<Record<(typeof WHERE)[number], string>>;
  readonly kind: Call['kind'];
  /** The labels of its durations. */
  readonly timed: Readonly<Record<(typeof WHERE)[number] | 'kind', string>>;
  readonly codes = new Map<Code | 'ok', number>();
  inFlight = 0;
  items = 0;

  constructor(where: Series['where'], kind: Call['kind']) {
    this.where = where;
    this.kind = kind;
    this.timed = { ...where, kind };
  }

  count(code: Code | 'ok'): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}

/** Everything that was counted. */
class AllSeries implements Iterable<Series> {
  readonly #maxEndpoints: number;
  readonly #endpoints = new Set<string>();
  readonly #series = new Map<string, Series>();

  constructor(maxEndpoints: number) {
    this.#maxEndpoints = maxEndpoints;
  }

  of(call: Call): Series {
    const { service, endpoint, kind } = call;
    const around = placeOf(call);
    return (
      this.#series.get(`${around} ${kind} ${service} ${endpoint}`) ??
      this.#add(around, kind, service, endpoint)
    );
  }

  #add(around: string, kind: Call['kind'], service: string, endpoint: string): Series {
    const name = `${service} ${endpoint}`;
    const other = !this.#endpoints.has(name) && this.#endpoints.size >= this.#maxEndpoints;
    const where = other ? { around, service: 'other', endpoint: 'other' } : { around, service, endpoint };
    if (!other) this.#endpoints.add(name);
    const key = `${around} ${kind} ${where.service} ${where.endpoint}`;
    const series = this.#series.get(key) ?? new Series(where, kind);
    this.#series.set(key, series);
    return series;
  }

  [Symbol.iterator](): Iterator<Series> {
    return this.#series.values();
  }
}

function placeOf({ side, kind, peer: to }: Call): string {
  if (kind === 'event') return side === 'client' ? 'publish' : 'subscriber';
  if (side === 'server') return 'handler';
  return to === undefined ? 'call' : 'attempt';
}
