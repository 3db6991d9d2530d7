import type * as Api from '@opentelemetry/api';
import { peer } from '../core/peer.js';
import { Tracing } from './trace/tracing.js';
import type { Call, Place, SpanRecord, Wrapper } from './wrapper.js';

export interface TraceOptions {
  /** Makes the spans. @defaultValue the one that is registered with OpenTelemetry's API */
  readonly provider?: TracerProvider;
  /** What spans of calls have as `rpc.system.name`. @defaultValue `'octavo'` */
  readonly system?: string;
  /** The entries of OpenTelemetry's baggage that travel, and are taken from what comes. @defaultValue none */
  readonly baggage?: readonly string[];
  /** Whether the span of a delivery is in the trace of its event, or begins a trace of its own with a link to that. @defaultValue `'child'` */
  readonly deliveries?: 'child' | 'link';
  /** Whether each item of a reply that is a stream is an event of the span. @defaultValue `false` */
  readonly items?: boolean;
  /** How many of the newest spans are kept for `Debug.Trace`. @defaultValue `1_000` */
  readonly keep?: number;
  /** What goes through without a span. @defaultValue endpoints that are `internal`, such as `Debug.Health` */
  readonly ignore?: (call: Call) => boolean;
}

/** A `TracerProvider` of OpenTelemetry's API, such as `NodeTracerProvider` of its SDK. */
export interface TracerProvider {
  getTracer(name: string, version?: string): object;
}

/** A wrapper that remembers what it traced. */
export interface Trace extends Wrapper {
  /** The newest spans that were recorded and have ended, oldest first. */
  readonly spans: () => readonly SpanRecord[];
}

/**
 * Makes a span of each call, attempt, publish, handler and delivery, inside the trace that is there, and hands that on by `traceparent` and
 * `tracestate`. Needs `npm install @opentelemetry/api`, and an SDK that takes the spans.
 */
export async function trace(options: TraceOptions = {}): Promise<Trace> {
  const api = await peer('the trace wrapper', '@opentelemetry/api', () => import('@opentelemetry/api'));
  const {
    provider = api.trace,
    system = 'octavo',
    baggage = [],
    keep = 1_000,
    ignore = isInternal,
  } = options;
  const tracing = new Tracing(api, {
    // Whatever the SDK's provider gives is a tracer of the API.
    tracer: provider.getTracer('octavo') as Api.Tracer,
    system,
    baggage: new Set(baggage),
    linkEvents: options.deliveries === 'link',
    items: options.items === true,
    keep,
    ignore,
  });
  const wrapper: Wrapper = (call, next) => tracing.around(call, next);
  return Object.assign(wrapper, {
    spans: () => tracing.spans,
    // It stands everywhere, and learns here where.
    unfit: ({ around }: Place) => {
      tracing.tracesAttempts ||= around === 'attempt';
      return undefined;
    },
  });
}

function isInternal({ method }: Call): boolean {
  return method?.options.internal === true;
}
