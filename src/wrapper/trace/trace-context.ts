import type * as Api from '@opentelemetry/api';
import type { Metadata } from '../../core/metadata.js';

/** The version, the ids of trace and span, and the flags. A later version may have more behind them. */
const PARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/;
/** How long it is in the version that is known. */
const LENGTH = 55;

/**
 * The span that metadata says it is a part of; `undefined` where it names none, or says it in a way that the standard calls invalid.
 *
 * Source: W3C Trace Context, levels 1 and 2: `traceparent` and `tracestate`.
 */
export function readTraceContext(metadata: Metadata, api: typeof Api): Api.SpanContext | undefined {
  const text = metadata.get('traceparent');
  if (text === undefined || !PARENT.test(text)) return undefined;
  if (text.startsWith('ff') || (text.startsWith('00') && text.length !== LENGTH)) return undefined;
  const [traceId, spanId] = [text.slice(3, 35), text.slice(36, 52)];
  if (traceId === api.INVALID_TRACEID || spanId === api.INVALID_SPANID) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(text.slice(53, 55), 16), isRemote: true };
  const state = metadata.get('tracestate');
  return state === undefined ? context : { ...context, traceState: api.createTraceState(state) };
}

/** Says in metadata which span it is a part of, in place of what was there. */
export function writeTraceContext(metadata: Metadata, span: Api.SpanContext): void {
  const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0');
  metadata.set('traceparent', `00-${span.traceId}-${span.spanId}-${flags}`);
  const state = span.traceState?.serialize();
  if (state !== undefined && state !== '') metadata.set('tracestate', state);
  else metadata.delete('tracestate');
}
