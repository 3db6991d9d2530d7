import { declareField, declareMessage } from '../schema/declaration.js';
import { protoEnum } from '../schema/proto-enum.js';
import type { SpanRecord } from '../wrapper/wrapper.js';
import { declareFields, endpointsIn } from './debug.js';
import type { Endpoint } from './server.js';

/** Asks `Debug.Trace` for the spans of one trace, or all that are kept. */
export class TraceRequest {
  id = '';
}
/** Whether somebody called this process, or it called somebody. */
export const SpanType = protoEnum('debug.SpanType', { INBOUND: 0, OUTBOUND: 1 });
/** One span. `started` is in nanoseconds since the epoch, `duration` in nanoseconds. */
export class Span {
  trace = '';
  id = '';
  parent = '';
  name = '';
  started = 0n;
  duration = 0n;
  metadata = new Map<string, string>();
  type = SpanType.INBOUND as number;
}
/** The spans, oldest first. */
export class TraceResponse {
  spans: Span[] = [];
}

declareFields(TraceRequest, 'debug.TraceRequest', { id: 'string' });
declareFields(Span, 'debug.Span', {
  trace: 'string',
  id: 'string',
  parent: 'string',
  name: 'string',
  started: 'uint64',
  duration: 'uint64',
});
declareField(Span.prototype, {
  property: 'metadata',
  id: 7,
  label: 'map',
  key: 'string',
  type: 'string',
  optional: false,
});
declareField(Span.prototype, { property: 'type', id: 8, label: 'single', type: SpanType, optional: false });
declareMessage(TraceResponse, 'debug.TraceResponse', []);
declareField(TraceResponse.prototype, {
  property: 'spans',
  id: 1,
  label: 'repeated',
  type: Span,
  optional: false,
});

/**
 * `Debug.Trace`, which go-micro's tools ask for the newest spans: it is there where a wrapper remembers them.
 *
 * Source: go-micro v4.11 `debug/proto/debug.proto`.
 */
export function traceEndpoint(pack: string, spans: () => readonly SpanRecord[]): Endpoint {
  return endpointsIn(pack)('trace', TraceRequest, TraceResponse, 'unary', (request) => {
    // What the endpoint reads is what it declares.
    const { id } = request as TraceRequest;
    return {
      spans: spans()
        .filter(({ trace }) => id === '' || trace === id)
        .map(spanOf),
    };
  });
}

function spanOf({ trace, id, parent, name, side, startedAt, ms, facts }: SpanRecord): Span {
  return {
    trace,
    id,
    parent,
    name,
    started: nanoseconds(startedAt),
    duration: nanoseconds(ms),
    metadata: new Map(Object.entries(facts)),
    type: side === 'server' ? SpanType.INBOUND : SpanType.OUTBOUND,
  };
}

/** Milliseconds since the epoch have no room for single nanoseconds: microseconds are kept. */
function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000)) * 1_000n;
}
