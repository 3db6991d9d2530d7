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
  const where = ['around', 'service', 'endpoint'] as const;
  const calls = new Counter({
    name: `${prefix}calls_total`,
    help: 'Calls, attempts, streams and deliveries of events that have ended.',
    labelNames: [...where, 'kind', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: `${prefix}call_duration_seconds`,
    help: 'How long they took.',
    labelNames: [...where, 'kind'],
    buckets: [...buckets],
    registers,
  });
  const inFlight = new Gauge({
    name: `${prefix}calls_in_flight`,
    help: 'Those that have not ended.',
    labelNames: where,
    registers,
  });
  const items = new Counter({
    name: `${prefix}stream_items_total`,
    help: 'Items of replies that are streams.',
    labelNames: where,
    registers,
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
  const known = new Set<string>();
  const labelsOf = (call: Call): Record<(typeof where)[number], string> => {
    const { service, endpoint } = call;
    const around =
      call.kind === 'event'
        ? 'subscriber'
        : call.side === 'server'
          ? 'handler'
          : call.peer === undefined
            ? 'call'
            : 'attempt';
    const key = `${service} ${endpoint}`;
    if (!known.has(key) && known.size >= maxEndpoints) return { around, service: 'other', endpoint: 'other' };
    known.add(key);
    return { around, service, endpoint };
  };
  const wrapper: Wrapper = (call, next) => {
    const labels = labelsOf(call);
    const { kind, context } = call;
    const begun = context.clock.now();
    inFlight.inc(labels);
    return untilEnd(call, next, {
      item: () => items.inc(labels),
      ended: (error) => {
        const code: Code | 'ok' = error?.code ?? 'ok';
        inFlight.dec(labels);
        calls.inc({ ...labels, kind, code });
        durations.observe({ ...labels, kind }, (context.clock.now() - begun) / 1_000);
      },
    });
  };
  return Object.assign(wrapper, { contentType: registry.contentType, text: () => registry.metrics() });
}
