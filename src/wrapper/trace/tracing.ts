import type * as Api from '@opentelemetry/api';
import { Context } from '../../core/context.js';
import type { OctavoError } from '../../core/error.js';
import { isAsyncIterable, untilEnd } from '../ending.js';
import type { Call, Next, Place, Reply, SpanRecord } from '../wrapper.js';
import { readBaggage, writeBaggage } from './baggage.js';
import { Descriptions, detailsOf, kindOf, outcomeOf, placeOf } from './conventions.js';
import { RecentSpans } from './recent-spans.js';
import { readTraceContext, writeTraceContext } from './trace-context.js';

/** What is set of the options. */
export interface TracingSettings {
  readonly tracer: Api.Tracer;
  readonly system: string;
  readonly baggage: ReadonlySet<string>;
  readonly linkEvents: boolean;
  readonly items: boolean;
  readonly keep: number;
  readonly ignore: (call: Call) => boolean;
}

/** Makes the spans of calls, and takes from and puts into their metadata which trace they are a part of. */
export class Tracing {
  readonly #api: typeof Api;
  readonly #settings: TracingSettings;
  readonly #recent: RecentSpans;
  readonly #descriptions: Descriptions;
  /** What the attempts of a call are inside of: they begin wherever the reply of the one before was read. */
  readonly #calls = new WeakMap<Context, Api.Context>();

  /** Whether attempts are traced, too: it costs something to remember what they are inside of. */
  tracesAttempts = false;

  constructor(api: typeof Api, settings: TracingSettings) {
    this.#api = api;
    this.#settings = settings;
    this.#recent = new RecentSpans(settings.keep);
    this.#descriptions = new Descriptions(settings.system);
  }

  get spans(): readonly SpanRecord[] {
    return this.#recent.all;
  }

  around(call: Call, next: Next): Promise<Reply> {
    const { tracer, ignore, baggage } = this.#settings;
    if (ignore(call)) return next(call);
    const api = this.#api;
    const place = placeOf(call);
    const { parent, links } = this.#origin(call, place);
    const { name, attributes } = this.#descriptions.of(call, place);
    const span = tracer.startSpan(
      name,
      { kind: kindOf(place, api), attributes, ...(links && { links }) },
      parent,
    );
    const own = span.spanContext();
    // Nobody listens, and nobody sent a trace.
    if (own.traceId === api.INVALID_TRACEID) return next(call);
    const active = api.trace.setSpan(parent, span);
    if (place === 'call' && this.tracesAttempts) this.#calls.set(call.context, active);
    writeTraceContext(call.metadata, own);
    if (call.side === 'client') writeBaggage(call.metadata, baggage, api.propagation.getBaggage(active));
    const within: Next = (it) => api.context.with(active, next, undefined, it);
    const inside = place === 'handler' && call.kind !== 'unary' ? this.#bound(within, active) : within;
    if (!span.isRecording()) return inside(call);
    return this.#recorded(call, inside, { place, span, name, parent: api.trace.getSpanContext(parent) });
  }

  /** What a call's span is a part of. At the server that is what came with it: whatever is active there belongs to somebody else. */
  #origin(call: Call, place: Place['around']): { readonly parent: Api.Context; readonly links?: Api.Link[] } {
    const { trace, ROOT_CONTEXT } = this.#api;
    if (call.side === 'client') return { parent: this.#outgoing(call, place) };
    const came = readTraceContext(call.metadata, this.#api);
    const base = this.#withBaggage(ROOT_CONTEXT, call);
    if (came === undefined) return { parent: base };
    if (place === 'handler') return { parent: trace.setSpanContext(base, came) };
    const parent = this.#settings.linkEvents ? base : trace.setSpanContext(base, came);
    return { parent, links: [{ context: came }] };
  }

  #outgoing(call: Call, place: Place['around']): Api.Context {
    if (place !== 'attempt') return this.#around(call);
    const known = this.#calls.get(call.context);
    if (known !== undefined) return known;
    const first = this.#around(call);
    this.#calls.set(call.context, first);
    return first;
  }

  /** What the caller gave by hand; else the span that is active where it calls; else what came with the handler's call. */
  #around({ metadata }: Call): Api.Context {
    const { context, trace } = this.#api;
    const active = context.active();
    const given = metadata.get('traceparent');
    if (given === undefined) return active;
    const inherited = given === Context.current()?.metadata.get('traceparent');
    if (inherited && trace.getSpan(active) !== undefined) return active;
    const came = readTraceContext(metadata, this.#api);
    return came === undefined ? active : trace.setSpanContext(active, came);
  }

  #withBaggage(context: Api.Context, { metadata }: Call): Api.Context {
    const baggage = readBaggage(metadata, this.#settings.baggage, this.#api);
    return baggage === undefined ? context : this.#api.propagation.setBaggage(context, baggage);
  }

  /** The same for a handler that is a generator, whose body runs when an item is asked for. */
  #bound(next: Next, active: Api.Context): Next {
    return async (call) => {
      const reply = await next(call);
      if (!isAsyncIterable(reply.body)) return reply;
      return { ...reply, body: new Within(reply.body, (run) => this.#api.context.with(active, run)) };
    };
  }

  #recorded(call: Call, next: Next, facts: Recorded): Promise<Reply> {
    const { span, place } = facts;
    const begunAt = performance.now();
    span.setAttributes(detailsOf(call, place));
    let items = 0;
    let over = false;
    let forget: (() => void) | undefined = undefined;
    const ended = (error: OctavoError | undefined): void => {
      if (over) return;
      over = true;
      // While it is made, the call may be cancelled already.
      forget?.();
      if (items > 0) span.setAttribute('octavo.items', items);
      this.#end(call, error, facts, begunAt);
    };
    // The answer is out then, however long a handler goes on that does not listen.
    forget = call.context.onCancel(ended);
    const type = call.side === 'client' ? 'RECEIVED' : 'SENT';
    return untilEnd(call, next, {
      item: () => {
        items++;
        if (this.#settings.items)
          span.addEvent('rpc.message', { 'rpc.message.type': type, 'rpc.message.id': items });
      },
      ended,
    });
  }

  #end(
    call: Call,
    error: OctavoError | undefined,
    { span, place, name, parent }: Recorded,
    at: number,
  ): void {
    const { SpanStatusCode } = this.#api;
    const code = error?.code ?? 'ok';
    const { attributes, failed } = outcomeOf(code, place);
    span.setAttributes(attributes);
    if (place === 'call' && call.attempt !== undefined) span.setAttribute('octavo.attempts', call.attempt);
    if (failed && error !== undefined) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      // Where it was thrown, the text of what was caught says more.
      if (call.side === 'server') span.recordException(error.cause instanceof Error ? error.cause : error);
    }
    span.end();
    const { traceId, spanId } = span.spanContext();
    this.#recent.add({
      trace: traceId,
      id: spanId,
      parent: parent?.spanId ?? '',
      name,
      side: call.side,
      startedAt: performance.timeOrigin + at,
      ms: performance.now() - at,
      facts: { around: place, code, service: call.service, endpoint: call.endpoint },
    });
  }
}

/** A span that is recorded, and what is known of it. */
interface Recorded {
  readonly place: Place['around'];
  readonly span: Api.Span;
  readonly name: string;
  readonly parent: Api.SpanContext | undefined;
}

type Runner = <T>(run: () => T) => T;

/** The items of a stream whose code runs with a span active. */
class Within implements AsyncIterableIterator<unknown> {
  readonly #inner: AsyncIterator<unknown>;
  readonly #with: Runner;

  constructor(items: AsyncIterable<unknown>, runner: Runner) {
    this.#with = runner;
    this.#inner = runner(() => items[Symbol.asyncIterator]());
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#with(() => this.#inner.next());
  }

  async return(): Promise<IteratorResult<unknown>> {
    return (await this.#with(() => this.#inner.return?.())) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
