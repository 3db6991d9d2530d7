import type { Registry } from 'prom-client';
import type { GoMicroLabels } from './go-micro-labels.js';
import type { Series } from './series.js';

/** What the names of its metrics begin with, and those of its labels. */
export const GO_MICRO_PREFIX = 'micro_';

/** The upper ends of the Go client's histograms, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts a call that has ended. */
export type CountGoMicro = (one: Series, failed: boolean, seconds: number) => void;

/** Counts by the names of go-micro's plugin, for dashboards that know them. Source: go-micro/plugins v4 `wrapper/monitoring/prometheus`. */
export function goMicro(
  { Counter, Histogram, Summary }: typeof import('prom-client'),
  registry: Registry,
  { name = '', version = '', id = '' }: GoMicroLabels,
): CountGoMicro {
  const registers = [registry];
  const own = { micro_name: name, micro_version: version, micro_id: id };
  const labelNames = [...Object.keys(own), 'micro_endpoint'];
  const requests = new Counter({
    name: `${GO_MICRO_PREFIX}request_total`,
    help: 'Requests processed, partitioned by endpoint and status',
    labelNames: [...labelNames, 'micro_status'],
    registers,
  });
  const latencies = new Summary({
    name: `${GO_MICRO_PREFIX}latency_microseconds`,
    help: 'Request latencies in microseconds, partitioned by endpoint',
    labelNames,
    percentiles: [],
    registers,
  });
  const durations = new Histogram({
    name: `${GO_MICRO_PREFIX}request_duration_seconds`,
    help: 'Request time in seconds, partitioned by endpoint',
    labelNames,
    buckets: BUCKETS,
    registers,
  });
  return ({ where: { around, service, endpoint } }, failed, seconds) => {
    const calls = around === 'call' || around === 'attempt';
    const labels = { ...own, micro_endpoint: calls ? `${service}.${endpoint}` : endpoint };
    requests.inc({ ...labels, micro_status: failed ? 'failure' : 'success' });
    latencies.observe(labels, seconds * 1_000_000);
    durations.observe(labels, seconds);
  };
}
