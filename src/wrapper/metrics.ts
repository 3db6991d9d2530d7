import type { Lifecycle } from '../core/lifecycle.js';
import { peer } from '../core/peer.js';
import { untilEnd } from './ending.js';
import { addCalls } from './metrics/calls.js';
import { Gathered } from './metrics/gathered.js';
import { goMicro, GO_MICRO_PREFIX } from './metrics/go-micro.js';
import type { GoMicroLabels } from './metrics/go-micro-labels.js';
import { addParts } from './metrics/parts.js';
import { addReadings } from './metrics/readings.js';
import { AllSeries, WHERE } from './metrics/series.js';
import type { Assembled, Wrapper } from './wrapper.js';

export type { GoMicroLabels } from './metrics/go-micro-labels.js';

export interface MetricsOptions {
  /** What the names of all metrics begin with. @defaultValue `'octavo_'` */
  readonly prefix?: string;
  /** The upper ends of the histogram of durations, in seconds. @defaultValue from 1 ms to 10 s */
  readonly buckets?: readonly number[];
  /** How many endpoints are told apart; more of them are counted as `other`. @defaultValue `500` */
  readonly maxEndpoints?: number;
  /** Counts calls by the names of go-micro's plugin too, with these labels. @defaultValue by its own names alone */
  readonly goMicro?: GoMicroLabels;
}

/** A wrapper that shows what it counted. */
export interface Metrics extends Wrapper {
  /** The content type of {@link text}. */
  readonly contentType: string;
  /** Everything in the text format of Prometheus. */
  text(): Promise<string>;
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Counts calls, streams and events, and how long they take, for Prometheus, and shows the connections, registry, broker and wrappers of the
 * apps that it is attached in. Needs `npm install prom-client`.
 */
export async function metrics(options: MetricsOptions = {}): Promise<Metrics> {
  const { prefix = 'octavo_', buckets = BUCKETS, maxEndpoints = 500, goMicro: labels } = options;
  const prom = await peer('the metrics wrapper', 'prom-client', () => import('prom-client'));
  const registry = new prom.Registry();
  const series = new AllSeries(maxEndpoints);
  const apps = new Set<Assembled>();
  const gathered = new Gathered(prom, registry, prefix);
  addCalls(gathered, series);
  addParts(gathered, apps);
  addReadings(gathered, apps);
  const durations = new prom.Histogram({
    name: `${prefix}call_duration_seconds`,
    help: 'How long calls, attempts, streams and deliveries took.',
    labelNames: [...WHERE, 'kind'],
    buckets: [...buckets],
    registers: [registry],
  });
  const asGoMicro = labels && goMicro(prom, registry, labels);
  const wrapper: Wrapper = (call, next) => {
    const { context } = call;
    const { clock } = context;
    const begun = clock.now();
    const one = series.of(call);
    one.inFlight++;
    if (call.attempt !== undefined && call.attempt > 1) one.retries++;
    context.meter ??= one.traffic;
    return untilEnd(call, next, {
      item: () => one.items++,
      ended: (error) => {
        const seconds = (clock.now() - begun) / 1_000;
        one.inFlight--;
        one.count(error?.code ?? 'ok');
        durations.observe(one.timed, seconds);
        asGoMicro?.(one, error !== undefined, seconds);
      },
    });
  };
  const text = (): Promise<string> => registry.metrics();
  const joins = (app: Assembled): Lifecycle => ({
    start: () => void apps.add(app),
    stop: () => void apps.delete(app),
  });
  const prefixes = [...new Set(labels === undefined ? [prefix] : [prefix, GO_MICRO_PREFIX])];
  return Object.assign(wrapper, {
    contentType: registry.contentType,
    text,
    exposes: { prefixes, text },
    joins,
  });
}
